//! Tags of the system's own: their keys begin with `aws:`. Users see them, and neither set nor remove them; they do not
//! count towards how many tags a resource may have.
//!
//! Source: the CloudFormation user guide, "CloudFormation resource tagging"; the Tag Editor's user guide, "Best practices
//! and strategies", on the prefix `aws:`.

use crate::Cx;

/// Whether a key is one of the system's own, in whatever case it is written.
pub fn is_system(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// How many of these keys count towards a resource's limit.
pub fn counted<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> usize {
    keys.into_iter().filter(|key| !is_system(key.as_ref())).count()
}

impl Cx {
    /// The first of these keys that the caller may neither set nor remove.
    pub fn reserved_tag<'a, K: AsRef<str> + ?Sized + 'a>(
        &self,
        keys: impl IntoIterator<Item = &'a K>,
    ) -> Option<&'a str> {
        let mut keys = keys.into_iter().map(AsRef::as_ref);
        keys.find(|key| !self.system_tags && is_system(key))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_of_the_system() {
        assert!(super::is_system("aws:x") && super::is_system("AwS:"));
        assert!(!super::is_system("aws") && !super::is_system("é:aws") && !super::is_system("awsome"));
        assert_eq!(super::counted(["aws:x", "a", "AWS:y"]), 1);
    }
}
