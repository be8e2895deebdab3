//! The arguments that say how a target is reached: how its certificate is verified, who asks, and a proxy in between.

use std::path::{Path, PathBuf};

use clap::Args;
use loadgen_engine::http_client::{ConnectOptions, ProxyChoice, TlsOptions};

/// How a target is reached.
#[derive(Args)]
pub struct ConnectArguments {
    /// Trust the certificate authority in this PEM file for an https:// target, instead of those of the operating system
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_tls")]
    tls_ca: Option<PathBuf>,
    /// Don't verify the certificate of an https:// target
    #[arg(long)]
    insecure_tls: bool,
    /// Show the certificate in this PEM file to an https:// target that asks for one
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Read the key of --client-cert from this PEM file [default: the file of the certificate]
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Reach the target through this HTTP or SOCKS5 proxy, or `none` for a direct connection [default: the scenario's; else http_proxy, https_proxy, all_proxy and no_proxy in the environment] [example: http://127.0.0.1:3128, socks5://127.0.0.1:1080]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

impl ConnectArguments {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.tls_ca, &self.client_cert, &self.client_key];
        files.into_iter().flatten().map(PathBuf::as_path)
    }

    /// The options of the HTTP client.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            tls: TlsOptions {
                ca: self.tls_ca.clone(),
                insecure: self.insecure_tls,
                client_cert: self.client_cert.clone(),
                client_key: self.client_key.clone(),
            },
            proxy: match self.proxy.as_deref() {
                None => ProxyChoice::Environment,
                Some(url) => ProxyChoice::named(url),
            },
        }
    }
}
