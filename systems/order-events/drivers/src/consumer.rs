//! The event: a consumer that was created.

use rand::RngExt;
use serde::{Deserialize, Serialize};

/// A made-up consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// A UUID.
    pub id: String,
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Postal address.
    pub address: String,
    /// When it was created, ISO 8601 in UTC.
    pub created_at: String,
}

const FIRST: &[&str] = &["Ada", "Bruno", "Chiara", "Davi", "Elif", "Femi", "Greta", "Hana", "Ivo", "Joana"];
const LAST: &[&str] =
    &["Almeida", "Berg", "Costa", "Dubois", "Eriksen", "Fontana", "Gruber", "Horvat", "Ito", "Jansen"];
const STREETS: &[&str] = &["Mill Lane", "Rua das Flores", "Via Roma", "Bahnhofstrasse", "Harbour Road"];

impl Consumer {
    /// Makes one up.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let mut pick =
            |from: &[&str]| from.get(rng.random_range(0..from.len())).copied().unwrap_or_default().to_owned();
        let (first, last, street) = (pick(FIRST), pick(LAST), pick(STREETS));
        let id: u128 = rng.random();
        let number: u16 = rng.random_range(1..200);
        let hex = format!("{id:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        Consumer {
            id: format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)),
            email: format!("{}.{}@example.com", first.to_lowercase(), last.to_lowercase()),
            name: format!("{first} {last}"),
            address: format!("{street} {number}"),
            created_at: jiff::Timestamp::now().to_string(),
        }
    }
}
