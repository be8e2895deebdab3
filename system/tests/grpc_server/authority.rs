//! A certificate authority for one test, and a server certificate that it signed.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The paths of its three PEM files.
pub struct Authority {
    pub ca: String,
    pub cert: String,
    pub key: String,
}

impl Authority {
    /// Creates the files in a folder.
    pub fn new(dir: &Path, name: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_cert = ca.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let hosts = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut cert = CertificateParams::new(hosts).unwrap();
        // A name of its own: one that it shares with its authority would make it look like signed by itself.
        cert.distinguished_name
            .push(DnType::CommonName, "localhost");
        let cert = cert.signed_by(&key, &issuer).unwrap();
        let write = |what: &str, text: String| {
            let file = dir.join(format!("{name}.{what}.pem"));
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        Self {
            ca: write("ca", ca_cert.pem()),
            cert: write("cert", cert.pem()),
            key: write("key", key.serialize_pem()),
        }
    }
}
