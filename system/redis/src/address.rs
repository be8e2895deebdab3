//! The address of a Redis server: as it is given, as it may be shown, and with the certificates that go with it. Must not know what is
//! sent there.

use std::fmt;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ordershop_contract::secret::Secret;
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, RedisResult,
};
use tokio_rustls::TlsConnector;

use crate::cluster::{Cluster, SCHEMES};
use crate::dial::{self, AnyStream, Certificates};
use crate::multiplexed_connection::{Messages, MultiplexedConnection};
use crate::sentinel::{SCHEME, Sentinels};

/// Timeout of a reply: a server that hangs, or a connection that fell silent, must cause an error, not a hang.
pub const RESPONSE_TIMEOUT_MS: u64 = 10_000;
/// Timeout of opening a connection.
pub const CONNECT_TIMEOUT_MS: u64 = 2_000;

/// What stands in the place of a password.
const HIDDEN: &str = "***";

/// The address of a Redis server: `redis://`, `rediss://` or `redis+unix://`; `redis+sentinel://`, of those who know where it is; or
/// `redis+cluster://`, of nodes of a cluster. It prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(Secret);

impl RedisUrl {
    /// The address of a Unix socket, whatever characters its path has.
    #[must_use]
    pub fn unix(socket: &Path) -> Self {
        let mut url = String::from("redis+unix://");
        for &byte in socket.as_os_str().as_bytes() {
            if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                // Writing to a String can't fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
        Self::from(&*url)
    }

    /// The address with its password: for connecting, and for handing it to a process of our own.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl From<&str> for RedisUrl {
    fn from(url: &str) -> Self {
        Self(Secret::from(url))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.reveal()))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&shown(self.reveal()), f)
    }
}

/// The address without its password. It may be malformed, so in doubt too much is hidden.
fn shown(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // A path has no user; everything else before the last @ may be a password that holds an @ or a slash itself.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) if !user.starts_with('/') => match user.split_once(':') {
            Some((name, _)) => (format!("{name}:{HIDDEN}@"), rest),
            None => (format!("{HIDDEN}@"), rest),
        },
        _ => (String::new(), rest),
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let query = query.map(|query| {
        let fields = query.split('&').map(|field| match field.split_once('=') {
            Some((name, _)) if name.starts_with("pass") => format!("{name}={HIDDEN}"),
            _ => field.to_owned(),
        });
        format!("?{}", fields.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}{user}{place}{}", query.unwrap_or_default())
}

/// The PEM files for a `rediss://` address.
#[derive(Clone, Debug, Default)]
pub struct RedisTls {
    /// Who signed the server's certificate; without it, the authorities that this machine trusts.
    pub ca: Option<PathBuf>,
    /// The client's certificate chain.
    pub cert: Option<PathBuf>,
    /// The key of the client's certificate.
    pub key: Option<PathBuf>,
}

/// Why the address of a Redis server can't be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the Redis address {url} can't be used: {reason}")]
pub struct AddressError {
    /// The address.
    pub url: RedisUrl,
    /// What is wrong.
    pub reason: String,
}

/// Where connections go.
#[derive(Clone)]
pub(crate) struct Place {
    /// The server's address, and what goes with each connection; behind sentinels, and of a cluster, only the latter counts.
    info: ConnectionInfo,
    tls: Option<TlsConnector>,
    finder: Finder,
}

/// How the server is found to which a connection goes.
#[derive(Clone)]
enum Finder {
    /// It is always at the same place.
    Fixed,
    Sentinels(Arc<Sentinels>),
    Cluster(Arc<Cluster>),
}

impl Place {
    /// The place that an address names.
    pub(crate) fn of(url: &RedisUrl, tls: &RedisTls) -> Result<Self, AddressError> {
        let unusable = |reason| AddressError {
            url: url.clone(),
            reason,
        };
        for (scheme, plain) in SCHEMES {
            if let Some(rest) = url.reveal().strip_prefix(scheme) {
                let nodes = Cluster::read(rest, plain).map_err(unusable)?;
                let read = |node: &String| read(&RedisUrl::from(&**node), tls);
                let nodes: Result<Vec<_>, _> = nodes.iter().map(read).collect();
                let nodes = nodes.map_err(unusable)?;
                let named: Vec<ConnectionInfo> =
                    nodes.iter().map(|(node, _)| node.clone()).collect();
                let first = nodes.into_iter().next();
                let (info, tls) = first.ok_or_else(|| unusable("it names no node".to_owned()))?;
                let cluster = Cluster::of(&named, info.clone(), tls.clone());
                let finder = Finder::Cluster(Arc::new(cluster));
                return Ok(Self { info, tls, finder });
            }
        }
        let sentinels = url.reveal().strip_prefix(SCHEME).map(Sentinels::read);
        let (finder, url) = match sentinels.transpose().map_err(unusable)? {
            None => (Finder::Fixed, url.clone()),
            Some((sentinels, master)) => {
                let finder = Finder::Sentinels(Arc::new(sentinels));
                (finder, RedisUrl::from(&*master))
            }
        };
        let (info, tls) = read(&url, tls).map_err(unusable)?;
        Ok(Self { info, tls, finder })
    }

    /// The place of one server of a cluster.
    pub(crate) fn at(&self, address: ConnectionAddr) -> Self {
        Self {
            info: self.info.clone().set_addr(address),
            tls: self.tls.clone(),
            finder: Finder::Fixed,
        }
    }

    /// Opens a stream to the server that has the key, which sentinels and a cluster's nodes are asked for each time. Without a key it is any
    /// server of which there is one.
    pub(crate) async fn stream(&self, key: Option<&str>) -> RedisResult<AnyStream> {
        let found = match &self.finder {
            Finder::Fixed => None,
            Finder::Sentinels(sentinels) => Some(sentinels.master().await?),
            Finder::Cluster(cluster) => Some(cluster.owner(key).await?),
        };
        let address = found.as_ref().unwrap_or_else(|| self.info.addr());
        dial::stream(address, self.tls.as_ref()).await
    }

    /// Opens a connection there.
    pub(crate) async fn connection(&self, key: Option<&str>) -> RedisResult<MultiplexedConnection> {
        self.opened(key, None).await
    }

    /// Opens a connection to a server, whose messages go to `messages`.
    pub(crate) async fn subscriber(
        &self,
        messages: Messages,
    ) -> RedisResult<MultiplexedConnection> {
        self.opened(None, Some(messages)).await
    }

    async fn opened(
        &self,
        key: Option<&str>,
        messages: Option<Messages>,
    ) -> RedisResult<MultiplexedConnection> {
        let connect_max = Duration::from_millis(CONNECT_TIMEOUT_MS);
        let answer_max = Duration::from_millis(RESPONSE_TIMEOUT_MS);
        let (stream, settings) = (self.stream(key), self.info.redis_settings());
        dial::connection(stream, settings, connect_max, answer_max, messages).await
    }

    /// The places of all servers that have keys.
    pub(crate) async fn each(&self) -> RedisResult<Vec<Self>> {
        match &self.finder {
            Finder::Cluster(cluster) => {
                let masters = cluster.masters().await?;
                Ok(masters.into_iter().map(|node| self.at(node)).collect())
            }
            _ => Ok(vec![self.clone()]),
        }
    }

    /// The cluster, if it is one.
    pub(crate) fn cluster(&self) -> Option<&Arc<Cluster>> {
        match &self.finder {
            Finder::Cluster(cluster) => Some(cluster),
            _ => None,
        }
    }

    /// What goes with each connection. Behind sentinels, and of a cluster, the address in it is not the server's.
    pub(crate) fn settings(&self) -> &ConnectionInfo {
        &self.info
    }
}

fn read(url: &RedisUrl, tls: &RedisTls) -> Result<(ConnectionInfo, Option<TlsConnector>), String> {
    // What the client says of an address may quote it.
    let unreadable = |error: redis::RedisError| match error.detail() {
        Some(detail) if !url.reveal().contains(detail) => error.to_string(),
        _ => error.category().to_owned(),
    };
    let info = url.reveal().into_connection_info().map_err(|error| {
        format!(
            "{}; write it as redis://user:password@host:port/db, rediss://…, redis+unix:///path?db=0, redis+sentinel://host:26379/name or redis+cluster://host:port,host:port, with % codes for special characters",
            unreadable(error)
        )
    })?;
    if info.redis_settings().protocol() != ProtocolVersion::RESP2 {
        return Err(
            "OrderShop speaks RESP2 with Redis, not RESP3: leave protocol out of the address"
                .to_owned(),
        );
    }
    // What a subscription would say of its library is a right more, which Redis 7.0 doesn't know.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let info = info.set_redis_settings(settings);
    let ConnectionAddr::TcpTls { insecure, .. } = info.addr() else {
        if tls.ca.is_some() || tls.cert.is_some() || tls.key.is_some() {
            return Err(
                "certificates are given (--redis-ca, --redis-cert, --redis-key), so it must begin with rediss:// (or rediss+cluster://)"
                    .to_owned(),
            );
        }
        return Ok((info, None));
    };
    if *insecure {
        return Err("#insecure is not supported: give the authority by --redis-ca".to_owned());
    }
    // It is an error only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = match (&tls.cert, &tls.key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((pem("--redis-cert", cert)?, pem("--redis-key", key)?)),
        _ => return Err("--redis-cert and --redis-key belong together: give both or none".into()),
    };
    let roots = tls.ca.as_deref().map(|ca| pem("--redis-ca", ca));
    let roots = roots.transpose()?;
    let tls = dial::tls(&Certificates { roots, client })?;
    Ok((info, Some(tls)))
}

fn pem(flag: &str, file: &Path) -> Result<Vec<u8>, String> {
    let bytes =
        std::fs::read(file).map_err(|error| format!("{flag} {}: {error}", file.display()))?;
    if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        Ok(bytes)
    } else {
        Err(format!("{flag} {}: it is not a PEM file", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_no_password_even_if_it_is_malformed() {
        let rows = [
            ("redis://127.0.0.1:6379/2", "redis://127.0.0.1:6379/2"),
            ("redis://:hunter2@h:6379", "redis://:***@h:6379"),
            (
                "rediss://ann:hunter2@h/0?protocol=resp3",
                "rediss://ann:***@h/0?protocol=resp3",
            ),
            (
                "redis://:hunter2@127.0.0.1:notaport",
                "redis://:***@127.0.0.1:notaport",
            ),
            ("redis://ann:hun/ter2@x@h", "redis://ann:***@h"),
            ("redis://hunter2@h", "redis://***@h"),
            ("ann:hunter2@h", "ann:***@h"),
            (
                "redis+sentinel://ann:hunter2@h:26379,i/shop?db=1",
                "redis+sentinel://ann:***@h:26379,i/shop?db=1",
            ),
            (
                "redis+cluster://ann:hunter2@h:1,i:2",
                "redis+cluster://ann:***@h:1,i:2",
            ),
            (
                "redis+unix:///a@b/redis.sock?db=1&user=ann&pass=hunter2",
                "redis+unix:///a@b/redis.sock?db=1&user=ann&pass=***",
            ),
        ];
        for (url, expected) in rows {
            let url = RedisUrl::from(url);
            assert_eq!(url.to_string(), expected);
            assert_eq!(format!("{url:?}"), format!("{expected:?}"));
            let error = Place::of(
                &RedisUrl::from(&*format!("x{}", url.reveal())),
                &RedisTls::default(),
            );
            let said = error.map(drop).unwrap_err().to_string();
            assert!(
                !said.contains("hunter2") && !said.contains("hun/ter2"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_socket_with_odd_characters_is_the_one_that_is_connected_to() {
        use std::ffi::OsStr;
        for path in ["/a b/#1?x=%41", "/gr\u{fc}n\n\"q'/s", "/plain-._~/s"]
            .map(OsStr::new)
            .into_iter()
            .chain([OsStr::from_bytes(b"/\xff\xfe/s")])
        {
            let url = RedisUrl::unix(Path::new(path));
            let place = Place::of(&url, &RedisTls::default()).unwrap();
            let ConnectionAddr::Unix(found) = place.settings().addr() else {
                panic!("{url} is not a socket");
            };
            assert_eq!(found.as_os_str(), path);
        }
    }

    #[test]
    fn what_is_not_spoken_is_refused_by_name() {
        let refused = |url: &str, tls: RedisTls| {
            let error = Place::of(&RedisUrl::from(url), &tls).map(drop).unwrap_err();
            error.to_string()
        };
        let said = refused("redis://h/0?protocol=resp3", RedisTls::default());
        assert!(
            said.contains("RESP3") && said.contains("protocol"),
            "{said}"
        );
        let ca = RedisTls {
            ca: Some("ca.pem".into()),
            ..RedisTls::default()
        };
        let said = refused("redis://h", ca.clone());
        assert!(said.contains("rediss://"), "{said}");
        let said = refused("rediss://h", ca);
        assert!(said.contains("--redis-ca ca.pem"), "{said}");
        let half = RedisTls {
            cert: Some("c.pem".into()),
            ..RedisTls::default()
        };
        let said = refused("rediss://h", half);
        assert!(said.contains("--redis-key"), "{said}");
    }

    #[test]
    fn an_address_of_sentinels_needs_a_name_and_takes_a_database() {
        let place = |rest: &str| {
            let url = RedisUrl::from(&*format!("redis+sentinel://{rest}"));
            let place = Place::of(&url, &RedisTls::default());
            place.map_err(|error| error.to_string())
        };
        for rest in [
            "h/shop",
            "h:1,i:2/shop",
            "ann:x%40y@[::1]:1,[::2]/shop?db=0",
        ] {
            let found = place(rest).unwrap().finder;
            assert!(matches!(found, Finder::Sentinels(_)), "{rest}");
        }
        let found = place("ann:x%40y@h,i:2/shop?db=3").unwrap();
        let settings = found.settings().redis_settings();
        assert_eq!(settings.db(), 3);
        assert_eq!(
            (settings.username(), settings.password()),
            (Some("ann"), Some("x@y"))
        );
        for (rest, what) in [
            ("h", "name"),
            ("h/", "name"),
            ("h/shop/0", "name"),
            ("h/shop?protocol=resp3", "db and nothing else"),
            ("h/shop?db=one", "redis+sentinel"),
            ("h:x/shop", "a host is malformed"),
            ("/shop", "a host is malformed"),
        ] {
            let said = place(rest).map(drop).unwrap_err();
            assert!(said.contains(what), "{rest}: {said}");
        }
    }
}
