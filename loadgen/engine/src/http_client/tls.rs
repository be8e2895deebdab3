//! TLS to a target: how its certificate is verified, and the certificate shown to it. Must not know HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The protocol that is asked for in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpn {
    Http1,
    Http2,
}

/// How the certificate of an `https://` target is verified, and who is asking.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// A file with certificates (PEM) of trusted authorities; by default those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Don't verify the target's certificate.
    pub insecure: bool,
    /// A file with this client's certificate and those that vouch for it (PEM).
    pub client_cert: Option<PathBuf>,
    /// A file with its key (PEM); by default the file of the certificate.
    pub client_key: Option<PathBuf>,
}

impl TlsOptions {
    /// The TLS configuration of every connection. The error is for the person who gave the options.
    pub(super) fn config(&self, alpn: Alpn) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS: {e}"))?;
        let builder = match (self.insecure, &self.ca) {
            (true, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
            (false, Some(path)) => builder.with_root_certificates(authorities("--tls-ca", path)?),
            (false, None) => builder.with_root_certificates(system_authorities()?),
        };
        let mut config = match &self.client_cert {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let key_path = self.client_key.as_ref().unwrap_or(path);
                builder
                    .with_client_auth_cert(
                        certificates("--client-cert", path)?,
                        private_key("--client-key", key_path)?,
                    )
                    .map_err(|e| format!("--client-cert {}: {e}", path.display()))?
            }
        };
        let protocol: &[u8] = match alpn {
            Alpn::Http1 => b"http/1.1",
            Alpn::Http2 => b"h2",
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Arc::new(config))
    }
}

/// The authorities in a file (PEM). The error is for the person who gave `option`.
///
/// # Errors
/// It can't be read, or has no certificate.
pub fn authorities(option: &str, path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(option, path)? {
        let added = roots.add(certificate);
        added.map_err(|e| format!("{option} {}: {e}", path.display()))?;
    }
    Ok(roots)
}

/// The certificates in a file (PEM): at least one. The error is for the person who gave `option`.
///
/// # Errors
/// It can't be read, or has no certificate.
pub fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: String| format!("{option} {}: {e}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|e| wrong(e.to_string()))?;
    match found.is_empty() {
        true => Err(wrong("the file has no certificate (PEM)".into())),
        false => Ok(found),
    }
}

/// The private key in a file (PEM). The error is for the person who gave `option`.
///
/// # Errors
/// It can't be read, or has no key.
pub fn private_key(option: &str, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| {
        format!(
            "{option} {}: no key that can be read (PEM, without a password): {e}",
            path.display()
        )
    })
}

fn system_authorities() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // A certificate that can't be read does not matter as long as there are others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err("the system trusts no certificate authority: name one (--tls-ca FILE), or don't verify the certificate (--insecure-tls)".into()),
        false => Ok(roots),
    }
}

/// Accepts every certificate, but not every signature: the handshake must still be signed with the certificate's key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
