//! Who may do what with an object that has an access control list.

use ropeway_api::s3;
use ropeway_wire::{Cx, Error, Input, Keys, Listed, Question};

use crate::acl::Permission;
use crate::model::{Bucket, Object};

/// A question about an object: policies have answered; where they do not allow, or the object is not the
/// bucket owner's, its access control list has a say, once it is known.
pub(super) struct Asking {
    action: &'static str,
    resource: String,
    keys: Keys,
    /// What in a list would allow it.
    wanted: Permission,
    said: Result<(), Error>,
}

impl Asking {
    /// What an operation asks.
    pub fn of<I: Input>(cx: &Cx, input: &I, wanted: Permission) -> Self {
        let question = Question::of(cx, input);
        let Question { action, mut resources, keys } =
            question.unwrap_or(Question { action: "", resources: Vec::new(), keys: Keys::default() });
        let resource = resources.pop().unwrap_or_default();
        Self::ask(cx, action, resource, keys, wanted)
    }

    /// Asks policies.
    pub fn ask(cx: &Cx, action: &'static str, resource: String, keys: Keys, wanted: Permission) -> Self {
        let said = cx.authorize(&s3::SERVICE, action, &resource, &keys);
        Asking { action, resource, keys, wanted, said }
    }

    /// What is to be answered where there is no object to ask about.
    pub fn otherwise(&self, error: Error) -> Error {
        match &self.said {
            Err(denied) if error.status < 500 => denied.clone(),
            _ => error,
        }
    }

    /// The answer: user guide, "How Amazon S3 authorizes a request for an object operation".
    ///
    /// # Errors
    /// 403 `AccessDenied`.
    pub fn decide(&self, cx: &Cx, bucket: &Bucket, object: &Object) -> Result<(), Error> {
        if !bucket.has_lists() || object.owner.is_none() && self.said.is_ok() {
            return self.said.clone();
        }
        let granted = bucket.acl_of(object).allows(&cx.principal, self.wanted, bucket.counts_public());
        let listed = Listed { granted, owner: object.owner.as_deref() };
        cx.authorize_listed(&s3::SERVICE, self.action, &self.resource, &self.keys, listed)
    }
}
