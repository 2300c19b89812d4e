//! Physical ids of resources that the template does not name.

/// How many random characters end a generated name.
pub const RANDOM_LENGTH: usize = 12;

/// What a type's names may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    /// The longest name, in characters.
    pub max: usize,
    /// Whether names are lower-case (S3 buckets).
    pub lower_case: bool,
}

impl Naming {
    /// Names of up to `max` characters.
    pub const fn new(max: usize) -> Self {
        Self { max, lower_case: false }
    }

    /// Lower-case names.
    pub const fn lower_case(self) -> Self {
        Self { max: self.max, lower_case: true }
    }

    /// `stackname-logicalid-RANDOM`, with `suffix` (such as `.fifo`) behind it.
    ///
    /// `random` gives the random characters: letters and digits, [`RANDOM_LENGTH`] of them, drawn once and
    /// recorded with the resource. If the name would be too long, stack name and logical id
    /// are cut to an equal share of what is left, or one of them to what the other leaves over;
    /// the random part and the suffix are never cut.
    pub fn physical_id(&self, stack_name: &str, logical_id: &str, random: &str, suffix: &str) -> String {
        let fixed = random.chars().count() + suffix.chars().count() + 2;
        let room = self.max.saturating_sub(fixed);
        let (stack, logical) = (stack_name.chars().count(), logical_id.chars().count());
        let half = room / 2;
        let stack_room = if logical <= room - half { room - logical } else { half };
        let stack_part: String = stack_name.chars().take(stack_room).collect();
        let logical_part: String =
            logical_id.chars().take(room.saturating_sub(stack.min(stack_room))).collect();
        let parts = [stack_part.trim_end_matches('-'), logical_part.as_str(), random];
        let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let name = if self.lower_case { name.to_lowercase() } else { name };
        name + suffix
    }
}
