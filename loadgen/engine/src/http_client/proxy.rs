//! The proxy that stands between this program and a target: which one, and how a tunnel through it is opened, by HTTP's CONNECT or by SOCKS5.

use std::io;
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use url::{Host, Url};

use super::name_lookup::NameLookup;

/// A longer answer to CONNECT is none.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Which proxy to use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// None.
    #[default]
    Direct,
    /// The one that the environment names (`http_proxy`, `https_proxy`, `all_proxy`), except for hosts in `no_proxy`.
    Environment,
    /// This URL.
    Named(String),
}

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    /// `http://host:port` or `socks5://host:port`, without a password.
    pub url: String,
    pub lookup: NameLookup,
    /// Of an HTTP proxy, the value of `proxy-authorization` that the URL's user and password ask for.
    pub authorization: Option<String>,
    /// Set for a SOCKS5 proxy, which knows tunnels only.
    socks: Option<Socks>,
    /// Whether it stands on this machine.
    is_local: bool,
}

/// How a SOCKS5 proxy is spoken to (RFC 1928).
#[derive(Debug)]
struct Socks {
    /// User and password, if the URL has them.
    login: Option<(String, String)>,
}

/// What may stand before `://` in a proxy's URL.
const ALLOWED: &str = "http://host:port, socks5://host:port";

impl ProxyChoice {
    /// The proxy at this URL; none for `none`.
    pub fn named(url: &str) -> Self {
        match url {
            "none" => Self::Direct,
            url => Self::Named(url.to_owned()),
        }
    }

    /// The proxy for a target, if there is one. The error is for the person who named it.
    pub(super) fn of(&self, target: &Url) -> Result<Option<Proxy>, String> {
        match self {
            Self::Direct => Ok(None),
            Self::Named(url) => Proxy::parse(url).map(Some),
            Self::Environment => {
                let Some((name, url)) = from_environment(target) else {
                    return Ok(None);
                };
                let proxy = Proxy::parse(&url).map_err(|problem| format!("{name}: {problem}"))?;
                // A proxy elsewhere can't reach what is on this machine.
                Ok(Some(proxy).filter(|proxy| proxy.is_local || !is_local(target)))
            }
        }
    }
}

fn from_environment(target: &Url) -> Option<(&'static str, String)> {
    let set = |name: &'static str| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        value.map(|value| (name, value))
    };
    let excepted = set("no_proxy").or_else(|| set("NO_PROXY"));
    let host = target.host_str().unwrap_or_default();
    if excepted.is_some_and(|(_, hosts)| is_excepted(host, &hosts)) {
        return None;
    }
    let own = match target.scheme() {
        "https" => set("https_proxy").or_else(|| set("HTTPS_PROXY")),
        // Not HTTP_PROXY: a web server sets it from a request's header.
        _ => set("http_proxy"),
    };
    own.or_else(|| set("all_proxy"))
        .or_else(|| set("ALL_PROXY"))
}

/// Whether a host is in a list such as `localhost,.example.org`.
fn is_excepted(host: &str, hosts: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    hosts.split([',', ' ']).any(|entry| {
        let entry = entry.trim().trim_start_matches('.').to_ascii_lowercase();
        let inside = || {
            host.strip_suffix(&entry)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        !entry.is_empty() && (entry == "*" || host == entry || inside())
    })
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, String> {
        let whole = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        // The text may have a password in it: it isn't shown.
        let url: Url = whole
            .parse()
            .map_err(|e| format!("the proxy's URL is not one ({e}); allowed: {ALLOWED}"))?;
        // The target's name is the proxy's to look up, as with an HTTP proxy: what others call socks5h.
        let (scheme, port, is_socks) = match url.scheme() {
            "http" => ("http", 80, false),
            "socks5" | "socks5h" => ("socks5", 1080, true),
            other => {
                return Err(format!(
                    "a proxy with {other}:// is not supported; allowed: {ALLOWED}"
                ));
            }
        };
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(format!("the proxy's URL has no host; allowed: {ALLOWED}"));
        }
        let port = url.port().unwrap_or(port);
        Ok(Self {
            url: format!("{scheme}://{host}:{port}"),
            lookup: NameLookup::new(host.trim_matches(['[', ']']), port),
            authorization: credentials(&url).filter(|_| !is_socks),
            socks: is_socks.then(|| Socks { login: login(&url) }),
            is_local: is_local(&url),
        })
    }

    /// Whether it passes requests on that it reads, instead of opening a tunnel for each connection.
    pub fn reads_requests(&self) -> bool {
        self.socks.is_none()
    }

    /// Opens a connection to the proxy.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let addresses = self.lookup.addresses().await?;
        let reached = TcpStream::connect(&*addresses).await;
        reached.map_err(|e| io::Error::new(e.kind(), format!("the proxy {}: {e}", self.url)))
    }

    /// Opens a tunnel to `host:port`.
    pub async fn tunnel(&self, authority: &str) -> io::Result<TcpStream> {
        let tcp = self.connect().await?;
        tcp.set_nodelay(true)?;
        match &self.socks {
            Some(socks) => self.by_socks(tcp, socks, authority).await,
            None => self.by_http(tcp, authority).await,
        }
    }

    fn no_tunnel(&self, kind: io::ErrorKind, authority: &str, problem: &str) -> io::Error {
        let text = format!(
            "the proxy {} opened no tunnel to {authority}: {problem}",
            self.url
        );
        io::Error::new(kind, text)
    }

    async fn by_socks(
        &self,
        tcp: TcpStream,
        socks: &Socks,
        authority: &str,
    ) -> io::Result<TcpStream> {
        let opened = match &socks.login {
            None => Socks5Stream::connect_with_socket(tcp, authority).await,
            Some((user, password)) => {
                let opened =
                    Socks5Stream::connect_with_password_and_socket(tcp, authority, user, password);
                opened.await
            }
        };
        opened.map(Socks5Stream::into_inner).map_err(|e| {
            let kind = match &e {
                tokio_socks::Error::Io(e) => e.kind(),
                _ => io::ErrorKind::ConnectionRefused,
            };
            self.no_tunnel(kind, authority, &e.to_string())
        })
    }

    /// By the method CONNECT (RFC 9110, 9.3.6).
    async fn by_http(&self, mut tcp: TcpStream, authority: &str) -> io::Result<TcpStream> {
        let password = self.authorization.as_ref();
        let password = password.map(|value| format!("proxy-authorization: {value}\r\n"));
        let request = format!(
            "CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{}\r\n",
            password.unwrap_or_default()
        );
        tcp.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let end = loop {
            // Byte by byte: what comes after the head is the target's.
            match tcp.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(e) => break Err(e),
            }
            if answer.ends_with(b"\r\n\r\n") || answer.ends_with(b"\n\n") {
                break Ok(());
            }
            if answer.len() > ANSWER_BYTES_MAX {
                break Err(io::ErrorKind::InvalidData.into());
            }
        };
        let head = String::from_utf8_lossy(&answer);
        let first = head.lines().next().unwrap_or_default();
        let is_open = first
            .split_whitespace()
            .nth(1)
            .is_some_and(|status| status.len() == 3 && status.starts_with('2'));
        match end {
            Ok(()) if is_open => Ok(tcp),
            Ok(()) => Err(self.no_tunnel(io::ErrorKind::ConnectionRefused, authority, first)),
            Err(e) => Err(self.no_tunnel(e.kind(), authority, &e.to_string())),
        }
    }
}

/// `Basic …` of a URL's user and password, if it has them.
pub(super) fn credentials(url: &Url) -> Option<String> {
    let (user, password) = user_and_password(url)?;
    let pair = [user, password].join(&b':');
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// A URL's user and password as texts, if it has them.
fn login(url: &Url) -> Option<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (user, password) = user_and_password(url)?;
    Some((text(user), text(password)))
}

fn user_and_password(url: &Url) -> Option<(Vec<u8>, Vec<u8>)> {
    let password = url.password();
    if url.username().is_empty() && password.is_none() {
        return None;
    }
    let password = percent_decoded(password.unwrap_or_default());
    Some((percent_decoded(url.username()), password))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%');
        let coded = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(coded.unwrap_or(*byte));
        rest = match coded {
            Some(_) => &after[2..],
            None => after,
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_need_no_proxy_are_found_by_name_and_by_domain() {
        for (host, hosts, expected) in [
            ("shop.example", "other,example", true),
            ("shop.example", ".shop.example", true),
            ("myshop.example", "shop.example", false),
            ("[::1]", "::1", true),
            ("shop.example", "*", true),
            ("shop.example", "", false),
        ] {
            assert_eq!(is_excepted(host, hosts), expected, "{host} in {hosts}");
        }
    }

    #[test]
    fn a_password_is_decoded_and_not_shown() {
        let proxy = Proxy::parse("http://a%40b:p%3A%25@10.0.0.1:3128").unwrap();
        let expected = BASE64_STANDARD.encode("a@b:p:%");
        assert_eq!(proxy.authorization, Some(format!("Basic {expected}")));
        assert_eq!(proxy.url, "http://10.0.0.1:3128");
        let socks = Proxy::parse("socks5h://a%40b:p%3A%25@10.0.0.1").unwrap();
        assert_eq!(socks.url, "socks5://10.0.0.1:1080");
        assert_eq!(socks.authorization, None);
        let login = socks.socks.and_then(|socks| socks.login);
        assert_eq!(login, Some(("a@b".to_owned(), "p:%".to_owned())));
    }

    #[test]
    fn another_kind_of_proxy_is_refused_with_what_is_allowed() {
        for url in [
            "socks4://10.0.0.1:1",
            "https://10.0.0.1:1",
            "socks5://",
            "::",
        ] {
            let problem = Proxy::parse(url).unwrap_err();
            assert!(problem.contains("socks5://host:port"), "{url}: {problem}");
        }
    }
}
