//! Ranges of IPv4 addresses, and which of a pool is free.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// How many leading bits of a namespace's network are fixed: 1,022 addresses for containers.
const NETWORK_PREFIX: u8 = 22;

/// A range of IPv4 addresses. Written `10.213.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// Its first address.
    pub base: Ipv4Addr,
    /// How many leading bits are fixed, 0 to 32.
    pub prefix: u8,
}

/// A text that is no [`Subnet`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of IPv4 addresses, such as 10.213.0.0/16")]
pub struct NotASubnet(String);

impl Subnet {
    /// The range that `address` is in when `prefix` leading bits are fixed; `None` above 32.
    #[must_use]
    pub fn around(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        (prefix <= 32).then(|| {
            let base = u64::from(u32::from(address)) / size(prefix) * size(prefix);
            Self { base: address_at(base), prefix }
        })
    }

    /// Whether some address is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first() < other.end() && other.first() < self.end()
    }

    fn first(self) -> u64 {
        u64::from(u32::from(self.base))
    }

    /// The address after its last one.
    fn end(self) -> u64 {
        self.first() + size(self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = NotASubnet;
    /// Reads `10.213.0.0/16`; an address within the range stands for the range.
    fn from_str(text: &str) -> Result<Self, NotASubnet> {
        text.split_once('/')
            .and_then(|(address, prefix)| Self::around(address.parse().ok()?, prefix.parse().ok()?))
            .ok_or_else(|| NotASubnet(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// The first /22 of `pool` that overlaps nothing of `taken`; of a smaller pool, the whole of it.
#[must_use]
pub fn free_subnet(pool: Subnet, taken: &[Subnet]) -> Option<Subnet> {
    let prefix = pool.prefix.max(NETWORK_PREFIX);
    let mut first = pool.first();
    while first + size(prefix) <= pool.end() {
        let candidate = Subnet { base: address_at(first), prefix };
        match taken
            .iter()
            .filter(|other| candidate.overlaps(**other))
            .map(|other| other.end())
            .max()
        {
            None => return Some(candidate),
            // On from the end of what is in the way, at the next border of a range.
            Some(end) => first = end.div_ceil(size(prefix)) * size(prefix),
        }
    }
    None
}

fn size(prefix: u8) -> u64 {
    1 << (32 - u32::from(prefix))
}

/// The address of that number; ranges never begin beyond the last one.
fn address_at(number: u64) -> Ipv4Addr {
    Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    fn free(pool: &str, taken: &[&str]) -> Option<String> {
        let taken: Vec<_> = taken.iter().map(|text| subnet(text)).collect();
        free_subnet(subnet(pool), &taken).map(|found| found.to_string())
    }

    #[test]
    fn a_subnet_is_read_and_written() {
        assert_eq!(subnet("10.213.0.0/16").to_string(), "10.213.0.0/16");
        assert_eq!(subnet("10.213.5.9/22").to_string(), "10.213.4.0/22");
        assert_eq!(subnet("1.2.3.4/0").to_string(), "0.0.0.0/0");
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/8", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Subnet>(), Err(NotASubnet(bad.into())), "{bad}");
        }
    }

    #[test]
    fn the_first_free_range_of_the_pool_is_taken() {
        assert_eq!(free("10.213.0.0/16", &[]).unwrap(), "10.213.0.0/22");
        assert_eq!(free("10.213.0.0/16", &["10.213.0.0/22"]).unwrap(), "10.213.4.0/22");
        assert_eq!(free("10.213.0.0/16", &["10.213.4.0/22"]).unwrap(), "10.213.0.0/22");
        assert_eq!(free("10.213.0.0/16", &["10.213.0.0/24"]).unwrap(), "10.213.4.0/22");
        assert_eq!(free("10.213.0.0/16", &["10.213.0.0/17"]).unwrap(), "10.213.128.0/22");
        assert_eq!(free("10.213.0.0/16", &["10.213.9.1/32"]).unwrap(), "10.213.0.0/22");
    }

    #[test]
    fn a_full_pool_has_no_free_range() {
        assert_eq!(free("10.213.0.0/16", &["10.0.0.0/8"]), None);
        assert_eq!(free("10.213.0.0/16", &["0.0.0.0/0"]), None);
        assert_eq!(free("10.213.0.0/21", &["10.213.0.0/22", "10.213.7.255/32"]), None);
        assert_eq!(free("255.255.252.0/22", &["255.255.255.255/32"]), None);
    }

    #[test]
    fn a_pool_smaller_than_a_network_is_used_whole() {
        assert_eq!(free("10.213.0.0/24", &[]).unwrap(), "10.213.0.0/24");
        assert_eq!(free("10.213.0.0/24", &["10.213.0.128/25"]), None);
    }
}
