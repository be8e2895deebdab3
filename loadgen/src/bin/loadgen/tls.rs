//! The arguments that say how the certificate of an `https://` target is verified.

use std::path::PathBuf;

use clap::Args;
use loadgen_engine::http_client::TlsOptions;

/// How the certificate of an https:// target is verified.
#[derive(Args)]
pub struct TlsArguments {
    /// Trust the certificate authority in this PEM file for an https:// target, instead of those of the operating system
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_tls")]
    tls_ca: Option<PathBuf>,
    /// Don't verify the certificate of an https:// target
    #[arg(long)]
    insecure_tls: bool,
}

impl TlsArguments {
    /// The options of the HTTP client.
    pub fn options(&self) -> TlsOptions {
        TlsOptions {
            ca: self.tls_ca.clone(),
            insecure: self.insecure_tls,
        }
    }
}
