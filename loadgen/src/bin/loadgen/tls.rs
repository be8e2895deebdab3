//! The arguments that say how an `https://` target is believed.

use std::path::PathBuf;

use clap::Args;
use loadgen_engine::http_client::TlsOptions;

/// How an https:// target is believed.
#[derive(Args)]
pub struct TlsArguments {
    /// Authority (PEM file) that signed an https:// target's certificate, instead of those that the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_tls")]
    ca: Option<PathBuf>,
    /// Believe any certificate of an https:// target
    #[arg(long)]
    insecure_tls: bool,
}

impl TlsArguments {
    /// As the client takes them.
    pub fn options(&self) -> TlsOptions {
        TlsOptions {
            ca: self.ca.clone(),
            insecure: self.insecure_tls,
        }
    }
}
