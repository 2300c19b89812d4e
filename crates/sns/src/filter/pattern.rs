//! Patterns of filter policies: wildcards and networks.

use std::net::IpAddr;

/// A pattern in which `*` stands for any characters, none included; `\*` and `\\` for themselves.
#[derive(Debug, Clone)]
pub struct Wildcard {
    /// What stands between the stars, in order; one more than there are stars.
    parts: Vec<String>,
}

impl Wildcard {
    /// Reads a pattern; `Err` says what is wrong with it.
    pub fn parse(text: &str) -> Result<Wildcard, &'static str> {
        let mut parts = vec![String::new()];
        let mut chars = text.chars();
        let mut star = false;
        while let Some(c) = chars.next() {
            let literal = match c {
                '*' if star => return Err("Consecutive wildcard characters"),
                '*' => None,
                '\\' => {
                    Some(chars.next().filter(|c| matches!(c, '*' | '\\')).ok_or("Invalid escape character")?)
                }
                other => Some(other),
            };
            star = literal.is_none();
            match (literal, parts.last_mut()) {
                (Some(c), Some(last)) => last.push(c),
                _ => parts.push(String::new()),
            }
        }
        Ok(Wildcard { parts })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            match rest.split_once(part.as_str()) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// A range of IP addresses.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/24`, or the same for IPv6; `Err` says what is wrong with it.
    pub fn parse(text: &str) -> Result<Network, String> {
        let mut parts = text.split('/');
        let (Some(address), Some(bits), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err("Malformed CIDR, one '/' required".to_owned());
        };
        let bits: u32 =
            bits.parse().map_err(|_| "Malformed CIDR, mask bits must be an integer".to_owned())?;
        let network = Network {
            address: address.parse().map_err(|_| format!("Nonstandard IP address: {address}"))?,
            bits,
        };
        if bits > network.width() {
            return Err("Malformed CIDR, mask bits must not be negative or too large".to_owned());
        }
        Ok(network)
    }

    fn width(&self) -> u32 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether an address lies within.
    pub fn contains(&self, other: IpAddr) -> bool {
        let (ours, theirs) = match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits())),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
            _ => return false,
        };
        let differing = (ours ^ theirs).checked_shr(self.width().saturating_sub(self.bits));
        differing.unwrap_or(0) == 0
    }
}
