//! TLS for checks, by rustls: versions 1.2 and 1.3, certificates by the system's authorities, by a file's, or any.
//!
//! Authorities are read when they are first needed, and again when their file has changed, or after a while.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
};

use super::socket::Stream;
use super::talk::Talk;
use crate::core::config::model::Tls;

/// How long authorities are believed without being read again.
const FRESH: Duration = Duration::from_secs(600);

/// What is known of authorities, by the settings that ask for them.
#[derive(Debug, Default)]
pub(super) struct Configs(Mutex<HashMap<Tls, Known>>);

#[derive(Debug)]
struct Known {
    config: Arc<ClientConfig>,
    read: Instant,
    modified: Option<SystemTime>,
}

impl Configs {
    /// Speaks TLS over a connection from now on.
    pub(super) async fn secure(
        &self,
        stream: impl Stream + 'static,
        tls: &Tls,
        target: SocketAddr,
        talk: &mut Talk,
    ) -> Result<Box<dyn Stream>, String> {
        let config = self.config(tls).await?;
        let name = match &tls.sni {
            Some(name) => ServerName::try_from(name.clone()).map_err(|_| format!("{name} is no name for TLS"))?,
            None => ServerName::IpAddress(target.ip().into()),
        };
        talk.doing(format!("TLS: hello to {}", name.to_str()), "the TLS handshake");
        let connected = TlsConnector::from(config).connect(name, stream).await;
        let stream = connected.map_err(|error| in_words(&error, talk))?;
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "of another version",
        };
        talk.say(format!("TLS {version}{}", if tls.insecure { ", certificate not verified" } else { "" }));
        Ok(Box::new(stream))
    }

    async fn config(&self, tls: &Tls) -> Result<Arc<ClientConfig>, String> {
        let modified = tls.ca.as_deref().and_then(modified);
        let is_fresh = |known: &&Known| known.modified == modified && known.read.elapsed() < FRESH;
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tls).filter(is_fresh) {
            return Ok(Arc::clone(&known.config));
        }
        let settings = tls.clone();
        let made = tokio::task::spawn_blocking(move || make(&settings)).await;
        let config = Arc::new(made.map_err(|error| format!("cannot check from this host: {error}"))??);
        let known = Known { config: Arc::clone(&config), read: Instant::now(), modified };
        let mut configs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Settings of an earlier configuration are not asked for any more.
        configs.retain(|_, known| known.read.elapsed() < FRESH);
        configs.insert(tls.clone(), known);
        Ok(config)
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn make(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if tls.insecure {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    Ok(builder.with_root_certificates(authorities(tls.ca.as_deref())?).with_no_client_auth())
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let (certificates, place) = match file {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            (
                read.map_err(|error| format!("cannot read certificates from {}: {error}", file.display()))?,
                file.display().to_string(),
            )
        }
        None => (rustls_native_certs::load_native_certs().certs, "this system".to_owned()),
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("cannot check from this host: {place} has no certificate of an authority; set `tls.ca`"));
    }
    Ok(roots)
}

/// In words why there is no TLS.
fn in_words(error: &std::io::Error, talk: &Talk) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => format!("the server's certificate is refused: {why}"),
        Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
        Some(other) => format!("TLS: {other}"),
        None => super::socket::cut(error, talk),
    }
}

/// Takes any certificate, but has its key proved all the same.
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
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
