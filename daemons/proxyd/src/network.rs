//! Networks that clients are in: an address, or a range of them in CIDR notation (RFC 4632 §3.1,
//! RFC 4291 §2.3).

use std::{fmt, net::IpAddr};

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    ///
    /// # Errors
    /// Where it is neither, or has bits set after the prefix: a typing error, more often than not.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = "an address or a network is expected, such as 127.0.0.1 or 2001:db8::/32";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| expected.to_owned())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits.map(str::parse) {
            None => bits_max,
            Some(Ok(bits)) if bits <= bits_max => bits,
            Some(_) => return Err(format!("a prefix of 0 to {bits_max} bits is expected")),
        };
        let network = Self { address, prefix_bits };
        if network.tail(address) == 0 {
            Ok(network)
        } else {
            Err(format!("{address} has bits set after the first {prefix_bits}"))
        }
    }

    /// Whether a client is in it. An IPv4 client of an IPv6 socket counts as IPv4.
    pub(crate) fn contains(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let differing = match (self.address, client) {
            (IpAddr::V4(own), IpAddr::V4(client)) => u128::from(own.to_bits() ^ client.to_bits()),
            (IpAddr::V6(own), IpAddr::V6(client)) => own.to_bits() ^ client.to_bits(),
            _ => return false,
        };
        differing.checked_shr(self.tail_bits()).unwrap_or(0) == 0
    }

    /// The bits of an address of its family that are after the prefix.
    fn tail(&self, address: IpAddr) -> u128 {
        let bits = match address {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let tail = 1_u128.checked_shl(self.tail_bits()).unwrap_or(0).wrapping_sub(1);
        bits & tail
    }

    fn tail_bits(&self) -> u32 {
        let all = if self.address.is_ipv4() { 32 } else { 128 };
        all - u32::from(self.prefix_bits)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_in_a_network_or_not() {
        for (network, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "::1", "127.0.0.1"),
        ] {
            let found = Network::parse(network).unwrap();
            assert!(found.contains(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!found.contains(outside.parse().unwrap()), "{outside} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "host", "10.0.0.0/33", "10.0.0.1/8", "::1/129", "10.0.0.0/", "::/-1"] {
            assert!(Network::parse(text).is_err(), "{text:?}");
        }
    }
}
