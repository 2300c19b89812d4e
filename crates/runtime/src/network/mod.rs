//! What leaves a sandbox. Its network namespace has a loopback interface and nothing else; the server
//! listens there and carries connections on: its own address to itself, AWS's host names to itself, and
//! all others to where the machine reaches them.

mod jks;
mod names;
mod server;
mod trust;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::api::accept;
use crate::tasks::Tasks;

pub use names::{Own, serve as serve_names};
pub use server::{ServerAt, Url};
pub use trust::Trust;

/// Where everything that leaves the namespace is led to, and where else if the server has that port itself.
pub const OUTSIDE_PORTS: [u16; 2] = [9002, 9004];
/// The most connections that a sandbox has open to one of these at once.
const MAX_CONNECTIONS: usize = 1024;

/// Where connections of one listener go.
#[derive(Clone)]
pub enum Way {
    /// To the server.
    Server(ServerAt),
    /// To the server, after their encryption, which was meant for AWS or for the server's name, has been
    /// taken off.
    Decrypted(ServerAt, TlsAcceptor),
    /// To where they were going before they were led here.
    Outside,
}

/// Carries the connections of a listener inside a sandbox.
pub fn carry(tasks: &Tasks, listener: TcpListener, way: Way) {
    let connections = tasks.clone();
    tasks.spawn(async move {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let Some(stream) = accept(&listener).await else { return };
            let way = way.clone();
            connections.spawn(async move {
                // A connection that breaks off on one side breaks off on the other.
                drop(lead(stream, way).await);
                drop(place);
            });
        }
    });
}

async fn lead(stream: TcpStream, way: Way) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    match way {
        Way::Server(server) => server.join(stream).await,
        Way::Decrypted(server, acceptor) => server.join_decrypted(acceptor.accept(stream).await?).await,
        Way::Outside => {
            let meant = rustix::net::sockopt::ip_original_dst(&stream)?;
            if !may_reach(*meant.ip()) {
                return Err(std::io::ErrorKind::PermissionDenied.into());
            }
            join(stream, connect(SocketAddr::V4(meant)).await?).await
        }
    }
}

async fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let outside = TcpStream::connect(to).await?;
    outside.set_nodelay(true)?;
    Ok(outside)
}

async fn join(
    mut inside: impl AsyncRead + AsyncWrite + Unpin,
    mut outside: impl AsyncRead + AsyncWrite + Unpin,
) -> std::io::Result<()> {
    copy_bidirectional(&mut inside, &mut outside).await.map(drop)
}

/// Whether functions may reach an address: neither the machine's own loopback nor the link-local
/// addresses, where clouds hand a machine its own credentials.
fn may_reach(address: Ipv4Addr) -> bool {
    !(address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast())
}

/// A name's addresses, as the machine knows them.
async fn lookup(name: &str) -> std::io::Result<Vec<Ipv4Addr>> {
    let found = tokio::net::lookup_host((name, 0)).await?;
    let addresses = found.filter_map(|address| match address.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    Ok(addresses.collect())
}

/// Addresses inside, by their ports.
pub fn loopback(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_own_and_link_local_addresses_are_out_of_reach() {
        for address in
            ["127.0.0.1", "127.9.9.9", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255"]
        {
            assert!(!may_reach(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "93.184.216.34"] {
            assert!(may_reach(address.parse().unwrap()), "{address}");
        }
    }
}
