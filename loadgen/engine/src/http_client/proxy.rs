//! The HTTP proxy that stands between this program and a target: which one, and how a tunnel through it is opened.

use std::io;
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
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
    /// `http://host:port`, without a password.
    pub url: String,
    pub lookup: NameLookup,
    /// The value of `proxy-authorization` that the URL's user and password ask for.
    pub authorization: Option<String>,
    /// Whether it stands on this machine.
    is_local: bool,
}

impl ProxyChoice {
    /// The proxy for a target, if there is one. The error is for the person who named it.
    pub(super) fn of(&self, target: &Url) -> Result<Option<Proxy>, String> {
        match self {
            Self::Direct => Ok(None),
            Self::Named(url) => Proxy::parse(url)
                .map(Some)
                .map_err(|problem| format!("--proxy: {problem}")),
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
            .map_err(|e| format!("the proxy's URL is not one ({e}); allowed: http://host:port"))?;
        if url.scheme() != "http" {
            return Err(format!(
                "a proxy with {}:// is not supported; allowed: http://host:port",
                url.scheme()
            ));
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self {
            url: format!("http://{host}:{port}"),
            lookup: NameLookup::new(host.trim_matches(['[', ']']), port),
            authorization: credentials(&url),
            is_local: is_local(&url),
        })
    }

    /// Opens a connection to the proxy.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let addresses = self.lookup.addresses().await?;
        let reached = TcpStream::connect(&*addresses).await;
        reached.map_err(|e| io::Error::new(e.kind(), format!("the proxy {}: {e}", self.url)))
    }

    /// Opens a tunnel to `host:port` (RFC 9110, 9.3.6).
    pub async fn tunnel(&self, authority: &str) -> io::Result<TcpStream> {
        let mut tcp = self.connect().await?;
        tcp.set_nodelay(true)?;
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
        let refused = |kind, problem: &str| {
            let text = format!(
                "the proxy {} opened no tunnel to {authority}: {problem}",
                self.url
            );
            Err(io::Error::new(kind, text))
        };
        match end {
            Ok(()) if is_open => Ok(tcp),
            Ok(()) => refused(io::ErrorKind::ConnectionRefused, first),
            Err(e) => refused(e.kind(), &e.to_string()),
        }
    }
}

/// `Basic …` of a URL's user and password, if it has them.
pub(super) fn credentials(url: &Url) -> Option<String> {
    let password = url.password();
    if url.username().is_empty() && password.is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decoded(text);
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(password.unwrap_or_default()));
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
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
        assert!(Proxy::parse("socks5://10.0.0.1:1").is_err());
    }
}
