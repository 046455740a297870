//! A certificate of the exchange's own, made for one run.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ExchangeError;
use crate::config::Certificate;

/// The names that a certificate for the loopback interface is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The acceptor, and the certificate authority that clients have to trust, in PEM.
pub(crate) fn acceptor(certificate: Certificate) -> Result<(TlsAcceptor, String), ExchangeError> {
    let (config, ca_pem) =
        certify(certificate).map_err(|error| ExchangeError::Certificate(error.to_string()))?;
    Ok((TlsAcceptor::from(Arc::new(config)), ca_pem))
}

fn certify(like: Certificate) -> Result<(ServerConfig, String), Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "dxstream exchange test authority");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(match like {
        Certificate::OtherHost => vec!["other.example".to_owned()],
        Certificate::Valid | Certificate::Expired => NAMES.map(str::to_owned).to_vec(),
    })?;
    if like == Certificate::Expired {
        server.not_before = date_time_ymd(2000, 1, 1);
        server.not_after = date_time_ymd(2001, 1, 1);
    }
    server.distinguished_name.push(DnType::CommonName, "dxstream exchange");
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &issuer)?;

    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((config, authority_certificate.pem()))
}
