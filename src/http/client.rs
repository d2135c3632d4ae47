//! Where a request comes from and under which id it is logged. Both may be told to us by whoever stands in front of
//! us; the address is believed only from proxies that the configuration trusts, the id only if it is short and plain.

use std::{
    net::{AddrParseError, IpAddr},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{HttpRequest, http::header::HeaderName};

/// The header that carries the request id, in both directions.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A network such as `10.0.0.0/8` or `fd00::/8`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A text is not a network.
#[derive(Debug, thiserror::Error)]
pub enum NotANetwork {
    /// The part before the slash is not an address.
    #[error("not an address: {0}")]
    Address(#[from] AddrParseError),
    /// The part after the slash is not a length that such an address can have.
    #[error("not a prefix length")]
    Prefix,
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().map_err(|_| NotANetwork::Prefix)?,
            None => longest,
        };
        if prefix > longest {
            return Err(NotANetwork::Prefix);
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether an address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.prefix;
                u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.prefix;
                u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Which header our proxies write. Reading both would let a client write the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: client, proxy`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239)
    Forwarded,
}

/// Whose word on the client's address we take.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// The networks that our proxies are in; none means that nobody is believed.
    pub networks: Vec<Network>,
    /// The header that they write.
    pub header: ProxyHeader,
}

impl TrustedProxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// The nearest address on the way to us that is not one of our proxies.
    #[must_use]
    pub fn client(&self, request: &HttpRequest) -> IpAddr {
        let peer = request
            .peer_addr()
            .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
        if !self.trusts(peer) {
            return peer;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        let told: Vec<&str> = request
            .headers()
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut nearest = peer;
        for hop in told.into_iter().rev() {
            let Some(address) = self.address(hop) else {
                return nearest;
            };
            nearest = address;
            if !self.trusts(address) {
                return address;
            }
        }
        nearest
    }

    fn address(&self, hop: &str) -> Option<IpAddr> {
        let text = match self.header {
            ProxyHeader::XForwardedFor => hop.trim(),
            ProxyHeader::Forwarded => hop
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
                .map(|(_, value)| value.trim().trim_matches('"'))?,
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .map_or(text, |(inside, _)| inside);
        bare.parse()
            .ok()
            .or_else(|| {
                bare.rsplit_once(':')
                    .and_then(|(host, _)| host.parse().ok())
            })
            .map(|address: IpAddr| address.to_canonical())
    }
}

/// Gives ids to requests that bring none. They are unique within a process and hard to confuse between two.
#[derive(Debug)]
pub struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// `process` tells this process from others; any random number does.
    #[must_use]
    pub fn new(process: u32) -> Self {
        Self {
            process,
            next: AtomicU64::new(1),
        }
    }

    /// A new id.
    #[must_use]
    pub fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-{number:08x}", self.process)
    }

    /// The id that the request brings, if it is sane, or else a new one.
    #[must_use]
    pub fn of(&self, request: &HttpRequest) -> String {
        request
            .headers()
            .get(&REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_sane(id))
            .map_or_else(|| self.next(), ToOwned::to_owned)
    }
}

fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(
        proxies: &TrustedProxies,
        peer: &str,
        header: (&'static str, &'static str),
    ) -> String {
        let request = TestRequest::default()
            .peer_addr(format!("{peer}:1234").parse().unwrap())
            .insert_header(header)
            .to_http_request();
        proxies.client(&request).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_tell_the_clients_address() {
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            header: ProxyHeader::XForwardedFor,
        };
        let told = ("x-forwarded-for", "203.0.113.9");
        assert_eq!(client(&proxies, "10.1.2.3", told), "203.0.113.9");
        assert_eq!(client(&proxies, "192.0.2.1", told), "192.0.2.1");
        assert_eq!(
            client(&TrustedProxies::default(), "10.1.2.3", told),
            "10.1.2.3"
        );
    }

    #[test]
    fn what_a_client_puts_in_front_of_the_list_is_not_believed() {
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            header: ProxyHeader::XForwardedFor,
        };
        let told = ("x-forwarded-for", "127.0.0.1, 203.0.113.9, 10.9.9.9");
        assert_eq!(client(&proxies, "10.1.2.3", told), "203.0.113.9");
        let nonsense = ("x-forwarded-for", "unknown, 10.9.9.9");
        assert_eq!(client(&proxies, "10.1.2.3", nonsense), "10.9.9.9");
    }

    #[test]
    fn the_standard_header_is_read_with_ports_and_quotes() {
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            header: ProxyHeader::Forwarded,
        };
        let told = (
            "forwarded",
            "for=192.0.2.60;proto=http, for=\"[2001:db8::1]:4711\"",
        );
        assert_eq!(client(&proxies, "10.1.2.3", told), "2001:db8::1");
        let other = ("x-forwarded-for", "192.0.2.60");
        assert_eq!(client(&proxies, "10.1.2.3", other), "10.1.2.3");
    }

    #[test]
    fn a_network_has_a_prefix_that_fits_its_address() {
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("ten/8".parse::<Network>().is_err());
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        let one: Network = "203.0.113.9".parse().unwrap();
        assert!(one.contains("::ffff:203.0.113.9".parse().unwrap()));
        assert!(!one.contains("203.0.113.8".parse().unwrap()));
    }

    #[test]
    fn an_id_with_odd_characters_is_replaced() {
        let ids = RequestIds::new(7);
        let with = |id: &'static str| {
            ids.of(&TestRequest::default()
                .insert_header(("x-request-id", id))
                .to_http_request())
        };
        assert_eq!(with("abc_DEF-1"), "abc_DEF-1");
        assert_eq!(with("abc def"), "00000007-00000001");
        assert_eq!(with(""), "00000007-00000002");
    }
}
