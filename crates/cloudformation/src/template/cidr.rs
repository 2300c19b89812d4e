//! `Fn::Cidr`: equal blocks from the start of a larger one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Result, TemplateError};

/// The first `count` blocks (1 to 256) in `block` that leave `bits` bits for addresses.
pub(crate) fn blocks(block: &str, count: &str, bits: &str) -> Result<Vec<String>> {
    let error = |message: String| TemplateError::new(format!("Template error: Fn::Cidr {message}"));
    let (base, prefix, width) =
        parse(block).ok_or_else(|| error(format!("ipBlock {block} is not a valid CIDR block")))?;
    let count = count.parse::<u32>().ok().filter(|count| (1..=256).contains(count));
    let count = count.ok_or_else(|| error("count must be an integer between 1 and 256".to_owned()))?;
    let bits = bits.parse::<u32>().ok().filter(|bits| (1..=width).contains(bits));
    let bits = bits.ok_or_else(|| error(format!("cidrBits must be an integer between 1 and {width}")))?;
    let too_many = || error(format!("cannot fit {count} blocks with {bits} CIDR bits in {block}"));
    let spare = (width - bits).checked_sub(prefix).ok_or_else(too_many)?;
    if spare < 32 && (1_u64 << spare) < u64::from(count) {
        return Err(too_many());
    }
    let step = |index: u32| u128::from(index).checked_shl(bits).unwrap_or(0);
    Ok((0..count).map(|index| format!("{}/{}", address(base | step(index), width), width - bits)).collect())
}

/// The first address of a block, its prefix and the width of its addresses in bits.
fn parse(block: &str) -> Option<(u128, u32, u32)> {
    let (address, prefix) = block.split_once('/')?;
    let (bits, width) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let prefix = prefix.parse::<u32>().ok().filter(|prefix| *prefix <= width)?;
    let host = width - prefix;
    let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
    Some((bits & !mask, prefix, width))
}

fn address(bits: u128, width: u32) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if width == 32 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}
