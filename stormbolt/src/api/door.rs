//! The ways in: the unix socket, and TLS where the operator asks for it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::access::{Caller, Key, Limits, Proof};
use super::tokens::{TokenError, Tokens};
use crate::daemon::Access;

/// Why callers cannot be let in by TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("cannot read the {what} in {}", path.display())]
    Pem {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("certificate and key cannot be used")]
    Certificate(#[source] rustls::Error),
    /// The tokens are not usable.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The kernel refused.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// A way in.
pub enum Door {
    /// The unix socket, for users of this machine.
    Unix {
        /// The socket.
        listener: UnixListener,
        /// What they may.
        access: Access,
        /// What they have asked.
        limits: Arc<Limits>,
    },
    /// TLS over TCP, for callers with a token.
    Tls {
        /// The socket.
        listener: TcpListener,
        /// Certificate and key.
        acceptor: TlsAcceptor,
        /// Their tokens.
        tokens: Arc<Tokens>,
        /// What they have asked.
        limits: Arc<Limits>,
    },
}

/// A connection that has just been made.
pub(super) enum Arrived {
    /// On the unix socket.
    Unix(UnixStream),
    /// TLS has yet to be agreed on.
    Tcp(TcpStream, TlsAcceptor),
}

impl Door {
    /// Where users of this machine come in.
    pub fn unix(listener: UnixListener, access: Access) -> Self {
        Self::Unix {
            listener,
            access,
            limits: Arc::default(),
        }
    }

    /// Where callers with a token come in, with TLS 1.2 or 1.3.
    ///
    /// # Errors
    ///
    /// A file cannot be used, or the kernel refuses to listen.
    pub fn tls(
        address: SocketAddr,
        certificate: &Path,
        key: &Path,
        tokens: &Path,
    ) -> Result<Self, TlsError> {
        let acceptor = acceptor(certificate, key)?;
        let tokens = Arc::new(Tokens::read(tokens)?);
        let listen = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let listener = listen().map_err(|source| TlsError::Listen { address, source })?;
        Ok(Self::Tls {
            listener,
            acceptor,
            tokens,
            limits: Arc::default(),
        })
    }

    /// Waits for the next caller.
    pub(super) async fn next(&self) -> io::Result<(Arrived, Caller)> {
        match self {
            Self::Unix {
                listener,
                access,
                limits,
            } => {
                let (stream, _) = listener.accept().await?;
                let known = access.of_peer(&stream)?;
                let caller = Caller {
                    counted: known.counted,
                    proof: Proof::Credentials(known.right),
                    limits: Arc::clone(limits),
                };
                Ok((Arrived::Unix(stream), caller))
            }
            Self::Tls {
                listener,
                acceptor,
                tokens,
                limits,
            } => {
                let (stream, from) = listener.accept().await?;
                let caller = Caller {
                    counted: Some(Key::of_host(from.ip())),
                    proof: Proof::Token(Arc::clone(tokens)),
                    limits: Arc::clone(limits),
                };
                Ok((Arrived::Tcp(stream, acceptor.clone()), caller))
            }
        }
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable("certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable("key", key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Certificate)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
