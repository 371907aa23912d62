//! TLS for checks, by rustls: versions 1.2 and 1.3, certificates by the system's authorities, by a file's, or any.
//!
//! Authorities are read when they are first needed, and again when their file has changed, or after a while.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
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

/// A connection over TLS.
pub(super) struct Secured {
    /// What it carries.
    pub(super) stream: Box<dyn Stream>,
    /// Why the server's certificate is not trusted, if it is not.
    pub(super) distrust: Option<String>,
}

impl Secured {
    /// The connection, if it is the right server's.
    pub(super) fn trusted(self) -> Result<Box<dyn Stream>, String> {
        self.distrust.map_or(Ok(self.stream), Err)
    }
}

/// What connections are made by.
#[derive(Debug, Clone)]
struct Means {
    config: Arc<ClientConfig>,
    /// Who judges certificates; `None`: any is taken.
    judge: Option<Arc<WebPkiServerVerifier>>,
}

#[derive(Debug)]
struct Known {
    means: Means,
    read: Instant,
    modified: Option<SystemTime>,
}

impl Configs {
    /// Speaks TLS over a connection from now on. The handshake is finished with whoever proves to have the key of his certificate;
    /// that is judged afterwards. A protocol may have its own way to break off.
    pub(super) async fn secure(
        &self,
        stream: impl Stream + 'static,
        tls: &Tls,
        target: SocketAddr,
        talk: &mut Talk,
    ) -> Result<Secured, String> {
        let Means { config, judge } = self.means(tls).await?;
        let name = match &tls.sni {
            Some(name) => ServerName::try_from(name.clone()).map_err(|_| format!("{name} is no name for TLS"))?,
            None => ServerName::IpAddress(target.ip().into()),
        };
        talk.doing(format_args!("TLS: hello to {}", name.to_str()), "the TLS handshake");
        let connected = TlsConnector::from(config).connect(name.clone(), stream).await;
        let stream = connected.map_err(|error| in_words(&error, talk))?;
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "of another version",
        };
        talk.say(format_args!("TLS {version}{}", if tls.insecure { ", certificate not verified" } else { "" }));
        let chain = connection.peer_certificates().unwrap_or_default();
        let distrust = judge.and_then(|judge| judged(&judge, chain, &name).err());
        Ok(Secured { stream: Box::new(stream), distrust })
    }

    async fn means(&self, tls: &Tls) -> Result<Means, String> {
        let modified = tls.ca.as_deref().and_then(modified);
        let is_fresh = |known: &&Known| known.modified == modified && known.read.elapsed() < FRESH;
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tls).filter(is_fresh) {
            return Ok(known.means.clone());
        }
        let settings = tls.clone();
        let made = tokio::task::spawn_blocking(move || make(&settings)).await;
        let means = made.map_err(|error| format!("cannot check from this host: {error}"))??;
        let known = Known { means: means.clone(), read: Instant::now(), modified };
        let mut configs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Settings of an earlier configuration are not asked for any more.
        configs.retain(|_, known| known.read.elapsed() < FRESH);
        configs.insert(tls.clone(), known);
        Ok(means)
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn make(tls: &Tls) -> Result<Means, String> {
    let provider = Arc::new(ring::default_provider());
    let judge = match tls.insecure {
        true => None,
        false => {
            let roots = Arc::new(authorities(tls.ca.as_deref())?);
            let judge = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            Some(judge.map_err(|error| error.to_string())?)
        }
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let any = Arc::new(AnyCertificate(provider));
    let config = builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
    Ok(Means { config: Arc::new(config), judge })
}

/// Whether the certificate of a server is for it, and signed by an authority.
fn judged(judge: &WebPkiServerVerifier, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Result<(), String> {
    let (server, intermediates) = chain.split_first().ok_or("the server has no certificate")?;
    match judge.verify_server_cert(server, intermediates, name, &[], UnixTime::now()) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(why)) => Err(format!("the server's certificate is refused: {why}")),
        Err(other) => Err(format!("the server's certificate is refused: {other}")),
    }
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
        Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
        Some(other) => format!("TLS: {other}"),
        None => super::socket::cut(error, talk),
    }
}

/// Takes any certificate, which is judged later if at all, but has its key proved.
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
