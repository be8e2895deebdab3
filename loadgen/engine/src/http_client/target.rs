//! The target of requests: parses its URL and opens connections to it. Must not know what is sent.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use url::Url;

use super::name_lookup::NameLookup;
use super::proxy::{Proxy, ProxyChoice, credentials};
use super::standard_headers::{StandardHeader, standard_headers};
use super::stream::Stream;
use super::tls::{Alpn, TlsOptions};

/// How long a first connection may take, with its tunnel and its handshake.
const REACH_MAX: Duration = Duration::from_secs(10);

/// How targets are reached.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// TLS to `https://` targets.
    pub tls: TlsOptions,
    /// The proxy in between.
    pub proxy: ProxyChoice,
}

/// The target of requests. Clones share what they know of it.
#[derive(Clone)]
pub struct Target {
    /// `http://host:port` or `https://host:port`, without a path; or `unix:` and a file's path.
    pub url: String,
    origin: Arc<Origin>,
}

struct Origin {
    /// Scheme, host, port and path, without user and password.
    base: Url,
    /// `host`, with the port unless it is the scheme's own.
    authority: String,
    base_path: String,
    headers: Vec<StandardHeader>,
    /// The value of `authorization` that the URL's user and password ask for.
    basic: Option<String>,
    route: Route,
    /// Set for `https://`.
    server_name: Option<ServerName<'static>>,
    access: Arc<Access>,
}

/// What the targets of one run share.
struct Access {
    options: ConnectOptions,
    http1: OnceLock<Arc<ClientConfig>>,
    http2: OnceLock<Arc<ClientConfig>>,
}

enum Route {
    Direct(NameLookup),
    /// Each request goes to the proxy, which passes it on.
    Proxied(Proxy),
    /// Through a tunnel, which the proxy can't look into.
    Tunnelled(Proxy),
    Unix(PathBuf),
}

impl Target {
    /// Parses a URL, and looks its host up once, so that a wrong one is told before anything is measured. The error is for the person who
    /// typed the URL.
    pub async fn resolve(url: &str, options: &ConnectOptions) -> Result<Self, String> {
        let target = Self::parse(url, options)?;
        let lookup = match &target.origin.route {
            Route::Direct(lookup) => lookup,
            Route::Proxied(proxy) | Route::Tunnelled(proxy) => &proxy.lookup,
            Route::Unix(_) => return Ok(target),
        };
        lookup.addresses().await.map_err(|e| e.to_string())?;
        Ok(target)
    }

    /// Parses a URL without looking its host up.
    pub(super) fn parse(text: &str, options: &ConnectOptions) -> Result<Self, String> {
        let access = Arc::new(Access {
            options: options.clone(),
            http1: OnceLock::new(),
            http2: OnceLock::new(),
        });
        if let Some(rest) = text.strip_prefix("unix:") {
            return Self::unix(rest, access);
        }
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix("http://");
        let Some(rest) = rest.or_else(|| lower.strip_prefix("https://")) else {
            return Err(format!(
                "`{text}` must start with http://, https:// or unix:, as in http://127.0.0.1:5000"
            ));
        };
        if rest.is_empty() || rest.starts_with(['/', ':', '?', '#']) {
            return Err(format!("`{text}` has no host"));
        }
        // The text may have a password in it: it isn't shown.
        let url: Url = text.parse().map_err(|e| match text.contains('@') {
            true => format!("the URL is not one: {e}"),
            false => format!("`{text}` is not a URL: {e}"),
        })?;
        let superfluous = url.query().map(|query| format!("?{query}"));
        let superfluous = superfluous.or_else(|| url.fragment().map(|part| format!("#{part}")));
        if let Some(part) = superfluous {
            return Err(format!(
                "the URL's part `{part}` can't be sent with every request; allowed: scheme, user and password, host, port and path. A request's \
                 own `query` stands in the scenario"
            ));
        }
        Self::at(url, access)
    }

    fn at(mut url: Url, access: Arc<Access>) -> Result<Self, String> {
        let basic = credentials(&url);
        // Both can be set for every URL with a host.
        url.set_username("").ok();
        url.set_password(None).ok();
        let host = url.host_str().unwrap_or_default().to_owned();
        let bare_host = host.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let is_tls = url.scheme() == "https";
        let server_name = match is_tls {
            true => {
                // Fails now, not at the first request, if a file is wrong.
                access.config(Alpn::Http1)?;
                let name = ServerName::try_from(bare_host.clone());
                Some(name.map_err(|e| format!("{host}: {e}"))?)
            }
            false => None,
        };
        let route = match access.options.proxy.of(&url)? {
            Some(proxy) if proxy.reads_requests() && !is_tls => Route::Proxied(proxy),
            Some(proxy) => Route::Tunnelled(proxy),
            None => Route::Direct(NameLookup::new(&bare_host, port)),
        };
        let origin = Origin {
            headers: standard_headers(&authority, basic.as_deref()),
            basic,
            base_path: url.path().trim_end_matches('/').to_owned(),
            base: url,
            authority,
            route,
            server_name,
            access,
        };
        Ok(Self {
            url: format!("{}://{host}:{port}", origin.base.scheme()),
            origin: Arc::new(origin),
        })
    }

    /// `unix:FILE`, or `unix:FILE:/path` as nginx writes it.
    fn unix(rest: &str, access: Arc<Access>) -> Result<Self, String> {
        let path = match rest.strip_prefix("//") {
            Some(path) => path,
            None => rest,
        };
        let (file, base_path) = match path.split_once(":/") {
            Some((file, base)) => (file, format!("/{base}")),
            None => (path, String::new()),
        };
        if file.is_empty() {
            return Err("`unix:` needs a socket's path, as in unix:/run/shop.sock".to_owned());
        }
        let base: Url = format!("http://localhost{base_path}")
            .parse()
            .map_err(|e| format!("`{base_path}` is not a path: {e}"))?;
        let authority = "localhost".to_owned();
        let origin = Origin {
            headers: standard_headers(&authority, None),
            basic: None,
            base_path: base.path().trim_end_matches('/').to_owned(),
            base,
            authority,
            route: Route::Unix(PathBuf::from(file)),
            server_name: None,
            access,
        };
        Ok(Self {
            url: format!("unix:{file}"),
            origin: Arc::new(origin),
        })
    }

    /// The target that another URL belongs to, reached in the same way; without this one's user and password.
    pub(super) fn elsewhere(&self, url: &Url) -> Result<Self, String> {
        let mut root = url.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        Self::at(root, self.origin.access.clone())
    }

    /// Whether a URL belongs to this target (RFC 6454).
    pub(super) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.origin.base.origin()
    }

    /// Scheme, host, port and path, without user and password. A socket's is `http://localhost/`.
    pub(super) fn base(&self) -> &Url {
        &self.origin.base
    }

    /// `host`, with the port unless it is the scheme's own.
    pub fn authority(&self) -> &str {
        &self.origin.authority
    }

    /// The headers that every request has, unless it has its own.
    pub(super) fn headers(&self) -> &[StandardHeader] {
        &self.origin.headers
    }

    /// The value of `authorization` that the URL's user and password ask for.
    pub fn authorization(&self) -> Option<&str> {
        self.origin.basic.as_deref()
    }

    /// The proxy in between, if there is one: `http://host:port` or `socks5://host:port`.
    pub fn proxy(&self) -> Option<&str> {
        match &self.origin.route {
            Route::Proxied(proxy) | Route::Tunnelled(proxy) => Some(&proxy.url),
            Route::Direct(_) | Route::Unix(_) => None,
        }
    }

    /// The proxy that reads each request of HTTP/1.1: it needs the whole URL and its own password.
    pub(super) fn reading_proxy(&self) -> Option<&Proxy> {
        match &self.origin.route {
            Route::Proxied(proxy) => Some(proxy),
            _ => None,
        }
    }

    /// The URL's path without a final `/`: the prefix of every request's path.
    pub fn base_path(&self) -> &str {
        &self.origin.base_path
    }

    /// A path under the target's URL.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path())
    }

    /// Opens a connection for this version of HTTP, without Nagle's delay.
    pub(super) async fn connect_for(&self, alpn: Alpn) -> io::Result<Stream> {
        let tcp = match &self.origin.route {
            Route::Unix(file) => return UnixStream::connect(file).await.map(Stream::Unix),
            Route::Direct(lookup) => TcpStream::connect(&*lookup.addresses().await?).await?,
            // HTTP/2 has no requests that a proxy reads.
            Route::Proxied(proxy) if alpn == Alpn::Http1 => proxy.connect().await?,
            Route::Proxied(proxy) | Route::Tunnelled(proxy) => self.through(proxy).await?,
        };
        self.secured(tcp, alpn).await
    }

    async fn secured(&self, tcp: TcpStream, alpn: Alpn) -> io::Result<Stream> {
        tcp.set_nodelay(true)?;
        match &self.origin.server_name {
            None => Ok(Stream::Plain(tcp)),
            Some(name) => {
                let config = self.origin.access.config(alpn).map_err(io::Error::other)?;
                let tls = TlsConnector::from(config)
                    .connect(name.clone(), tcp)
                    .await
                    .map_err(no_tls)?;
                Ok(Stream::Tls(Box::new(tls)))
            }
        }
    }

    /// A tunnel through a proxy.
    async fn through(&self, proxy: &Proxy) -> io::Result<TcpStream> {
        let port = self.origin.base.port_or_known_default().unwrap_or(80);
        let host = self.origin.base.host_str().unwrap_or_default();
        proxy.tunnel(&format!("{host}:{port}")).await
    }

    /// Opens a connection that nothing in between reads.
    pub async fn connect(&self) -> io::Result<Stream> {
        match &self.origin.route {
            Route::Proxied(proxy) => self.through(proxy).await.map(Stream::Plain),
            _ => self.connect_for(Alpn::Http1).await,
        }
    }

    /// Checks that the target can be reached, within ten seconds.
    pub async fn reach(&self) -> io::Result<()> {
        let reached = tokio::time::timeout(REACH_MAX, self.connect_for(Alpn::Http1)).await;
        let reached = reached.unwrap_or_else(|_| {
            let proxy = self.proxy();
            let through = proxy.map(|proxy| format!(" through the proxy {proxy}"));
            let with = self.origin.server_name.as_ref().map(|_| " with TLS");
            let text = format!(
                "no connection{}{} within {} s",
                through.unwrap_or_default(),
                with.unwrap_or_default(),
                REACH_MAX.as_secs()
            );
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        });
        reached.map(drop)
    }
}

impl Access {
    fn config(&self, alpn: Alpn) -> Result<Arc<ClientConfig>, String> {
        let cell = match alpn {
            Alpn::Http1 => &self.http1,
            Alpn::Http2 => &self.http2,
        };
        if let Some(config) = cell.get() {
            return Ok(config.clone());
        }
        let config = self.options.tls.config(alpn)?;
        Ok(cell.get_or_init(|| config).clone())
    }
}

/// Says what it mostly means that the target's first bytes are no TLS.
fn no_tls(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|e| e.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => io::Error::new(
            error.kind(),
            format!("it does not answer in TLS ({error}); is it an http:// target?"),
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Target, String> {
        Target::parse(url, &ConnectOptions::default())
    }

    #[test]
    fn a_port_stands_in_the_host_header_only_if_it_is_not_the_schemes_own() {
        for (url, shown, authority, base_path) in [
            ("http://shop", "http://shop:80", "shop", ""),
            ("http://shop:80/", "http://shop:80", "shop", ""),
            ("http://shop:443", "http://shop:443", "shop:443", ""),
            ("HTTP://Shop:8080/a/", "http://shop:8080", "shop:8080", "/a"),
            ("http://[::1]", "http://[::1]:80", "[::1]", ""),
            ("http://[::1]:81/", "http://[::1]:81", "[::1]:81", ""),
            (
                "http://127.0.0.1:5000/größe",
                "http://127.0.0.1:5000",
                "127.0.0.1:5000",
                "/gr%C3%B6%C3%9Fe",
            ),
            (
                "http://bücher.example",
                "http://xn--bcher-kva.example:80",
                "xn--bcher-kva.example",
                "",
            ),
            ("unix:/run/a.sock", "unix:/run/a.sock", "localhost", ""),
            (
                "unix:///run/a.sock:/api",
                "unix:/run/a.sock",
                "localhost",
                "/api",
            ),
        ] {
            let target = parsed(url).unwrap();
            assert_eq!(target.url, shown);
            assert_eq!(target.authority(), authority, "{url}");
            assert_eq!(target.base_path(), base_path, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_whole_is_refused_and_its_password_is_not_shown() {
        for url in [
            "127.0.0.1:5000",
            "ftp://shop",
            "http://",
            "http:///a",
            "http://:80",
            "http://shop?key=1",
            "http://shop/a#b",
            "http://me:secret@shop:99999",
            "http://me:secret@shop/?a",
            "unix:",
        ] {
            let problem = parsed(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(!problem.contains("secret"), "{problem}");
        }
        let target = parsed("http://me:se%40cret@shop").unwrap();
        assert_eq!(target.authorization(), Some("Basic bWU6c2VAY3JldA=="));
        assert_eq!(target.url, "http://shop:80");
    }
}
