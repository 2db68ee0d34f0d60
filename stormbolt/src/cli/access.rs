//! Options of `stormbolt run`: who may use the API.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::daemon::{AccessOptions, TlsOptions, Who};

/// Who may use the API.
#[derive(Debug, clap::Args)]
#[group(id = "access", multiple = true)]
#[command(next_help_heading = "Who may use it")]
pub(super) struct Args {
    /// Group that may open the socket; without it `stormbolt`, where there is such a group. Its members may look, and
    /// change things only if --read-write says so.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Who may change things, as `user:NAME` or `group:NAME`, beside root and the daemon's own user; they need to be
    /// in the group that may open the socket. May be given several times.
    #[arg(long, value_name = "WHO")]
    read_write: Vec<Who>,
    /// Listen on TCP as well, with TLS, for callers that have a token. Without this nothing listens on the network.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        requires_all = ["tls_certificate", "tls_key", "tokens"]
    )]
    listen: Option<SocketAddr>,
    /// The certificate and those above it, as PEM.
    #[arg(long, value_name = "FILE", requires = "listen")]
    tls_certificate: Option<PathBuf>,
    /// Its key, as PEM.
    #[arg(long, value_name = "FILE", requires = "listen")]
    tls_key: Option<PathBuf>,
    /// The tokens, one a line: `read-only TOKEN` or `read-write TOKEN`. Nobody but its owner may read the file.
    #[arg(long, value_name = "FILE", requires = "listen")]
    tokens: Option<PathBuf>,
}

impl Args {
    pub(super) fn options(&self) -> AccessOptions {
        AccessOptions {
            group: self.group.clone(),
            read_write: self.read_write.clone(),
        }
    }

    pub(super) fn tls(&self) -> Option<TlsOptions> {
        Some(TlsOptions {
            address: self.listen?,
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
            tokens: self.tokens.clone()?,
        })
    }
}
