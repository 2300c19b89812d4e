//! The server, as the runner reaches it, and as functions see it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ropeway_core::Vouched;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{connect, join};

/// The server's own listener.
#[derive(Clone)]
pub struct ServerAt {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    vouched: Vouched,
}

impl ServerAt {
    /// The listener at an address of this machine, which speaks TLS or does not.
    ///
    /// # Errors
    /// What the makers of TLS settings say.
    pub fn new(address: SocketAddr, tls: bool, vouched: Vouched) -> io::Result<Self> {
        Ok(ServerAt { address: reachable(address), tls: tls.then(connector).transpose()?, vouched })
    }

    /// Carries a connection on that was encrypted until here. The server is to know: a policy may ask for it
    /// (`aws:SecureTransport`).
    pub async fn join_decrypted(&self, inside: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Bound before it is connected: by the time the server looks, the voucher is there.
        socket.bind(SocketAddr::new(self.address.ip(), 0))?;
        let _voucher = self.vouched.vouch(socket.local_addr()?);
        let server = socket.connect(self.address).await?;
        server.set_nodelay(true)?;
        self.join_over(server, inside).await
    }

    /// Carries a connection on.
    pub async fn join(&self, inside: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        self.join_over(connect(self.address).await?, inside).await
    }

    async fn join_over(
        &self,
        server: TcpStream,
        inside: impl AsyncRead + AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let Some(tls) = &self.tls else { return join(inside, server).await };
        let name = ServerName::IpAddress(self.address.ip().into());
        join(inside, tls.connect(name, server).await?).await
    }
}

/// What listens at all of a machine's addresses is reached at its loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn connector() -> io::Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(OwnListener(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // What comes from inside speaks this, since nothing else was on offer there.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes whatever certificate the server shows: it is this very process that listens there, under a
/// certificate for other names than the address that it is reached at.
#[derive(Debug)]
struct OwnListener(Arc<CryptoProvider>);

impl ServerCertVerifier for OwnListener {
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
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The URL that functions, and clients of the URLs that functions make, find the server at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub tls: bool,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Url {
    /// Reads `http://HOST` or `https://HOST`, with a port or without; a path has no place in it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text.parse().map_err(|_| format!("{text:?} is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("{text:?} is neither http:// nor https://")),
        };
        let plain = uri.query().is_none() && matches!(uri.path(), "" | "/");
        let host = uri.host().filter(|host| plain && !host.is_empty());
        let host = host.ok_or_else(|| format!("{text:?} is not a scheme, a host and a port alone"))?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Url { tls, host: host.to_ascii_lowercase(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_scheme_host_and_port() {
        let url = |tls, host: &str, port| Ok(Url { tls, host: host.to_owned(), port });
        assert_eq!(Url::parse("http://localhost:4566"), url(false, "localhost", 4566));
        assert_eq!(Url::parse("https://Ropeway.example.com/"), url(true, "ropeway.example.com", 443));
        assert_eq!(Url::parse("http://10.0.0.7"), url(false, "10.0.0.7", 80));
        for none in ["", "localhost", "localhost:4566", "ftp://x", "http://x/path", "http://x?q", "http://"] {
            assert!(Url::parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn a_server_of_all_addresses_is_at_its_loopback() {
        for (listens, reached) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.7:1", "10.0.0.7:1")]
        {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
