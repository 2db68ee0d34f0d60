//! Who asks, and what they may.
//!
//! On the unix socket a caller is known by the credentials that the kernel vouches for, over TLS by a token. Every
//! caller but root and the daemon's own user may ask only so often, and have only so many connections open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use nonzero_ext::nonzero;

use super::problem::ApiError;
use super::tokens::Tokens;

/// Requests a second of one caller, over a while and at once.
const QUOTA: Quota = Quota::per_second(nonzero!(50_u32)).allow_burst(nonzero!(100_u32));
/// Callers whose requests are counted; when there are more, those that have been quiet are forgotten.
const MAX_COUNTED: usize = 4096;
/// Connections of one caller at a time.
const MAX_CONNECTIONS: usize = 16;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See everything.
    ReadOnly,
    /// Change everything.
    ReadWrite,
}

/// Whom requests and connections are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A user of this machine, by number.
    User(u32),
    /// A host; of IPv6, its network of 64 bits.
    Host(IpAddr),
}

impl Key {
    /// The host at an address.
    pub fn of_host(address: IpAddr) -> Self {
        Self::Host(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// How a caller's right is known.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// By the connection.
    Credentials(Right),
    /// By what every request says.
    Token(Arc<Tokens>),
}

/// Who asks on one connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// `None`: they may ask as often as they like.
    pub(super) counted: Option<Key>,
    pub(super) proof: Proof,
    pub(super) limits: Arc<Limits>,
}

/// What callers have asked and hold open, counted over all of them.
#[derive(Debug)]
pub struct Limits {
    requests: DefaultKeyedRateLimiter<Key>,
    connections: Mutex<HashMap<Key, usize>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: RateLimiter::keyed(QUOTA),
            connections: Mutex::default(),
        }
    }
}

impl Limits {
    /// Whether a caller may ask now.
    fn may_ask(&self, key: &Key) -> bool {
        if self.requests.len() > MAX_COUNTED {
            self.requests.retain_recent();
            if self.requests.len() > MAX_COUNTED {
                return false;
            }
        }
        self.requests.check_key(key).is_ok()
    }

    /// One more connection of a caller; `None`: they have enough.
    pub(super) fn enter(self: &Arc<Self>, key: Key) -> Option<Entered> {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open = connections.entry(key).or_default();
        if *open >= MAX_CONNECTIONS {
            return None;
        }
        *open += 1;
        Some(Entered {
            limits: Arc::clone(self),
            key,
        })
    }
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    limits: Arc<Limits>,
    key: Key,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let connections = &self.limits.connections;
        let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = connections.get_mut(&self.key) {
            *open -= 1;
            if *open == 0 {
                connections.remove(&self.key);
            }
        }
    }
}

/// Lets a request through to the routes, if its caller may ask for it.
pub(super) async fn guard(
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    match caller.admits(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => refusal(error),
    }
}

impl Caller {
    fn admits(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        if let Some(key) = &self.counted
            && !self.limits.may_ask(key)
        {
            let message = "too many requests: at most 50 a second";
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, message));
        }
        let right = match &self.proof {
            Proof::Credentials(right) => *right,
            Proof::Token(tokens) => tokens.right_of(headers).ok_or_else(|| {
                let message =
                    "not authorized: give a token in the header `authorization: Bearer …`";
                ApiError::new(StatusCode::UNAUTHORIZED, message)
            })?,
        };
        if right < needed(method, path) {
            let message = "not permitted: this caller may look and not change anything; see --read-write of \
                 `stormbolt run`";
            return Err(ApiError::new(StatusCode::FORBIDDEN, message));
        }
        Ok(())
    }
}

/// The right that a request needs.
fn needed(method: &Method, path: &str) -> Right {
    let asks = *method == Method::GET || *method == Method::HEAD;
    if asks || *method == Method::POST && path == "/v1/explain" {
        Right::ReadOnly
    } else {
        Right::ReadWrite
    }
}

fn refusal(error: ApiError) -> Response {
    let status = error.status;
    let mut response = error.into_response();
    let headers = response.headers_mut();
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(counted: Option<Key>, right: Right) -> Caller {
        Caller {
            counted,
            proof: Proof::Credentials(right),
            limits: Arc::default(),
        }
    }

    fn status_of(caller: &Caller, method: &Method, path: &str) -> Option<u16> {
        let admitted = caller.admits(method, path, &HeaderMap::new());
        admitted.err().map(|error| error.status.as_u16())
    }

    #[test]
    fn who_may_look_only_can_ask_and_explain_and_change_nothing() {
        let caller = caller(None, Right::ReadOnly);
        assert_eq!(status_of(&caller, &Method::GET, "/v1/policy"), None);
        assert_eq!(status_of(&caller, &Method::POST, "/v1/explain"), None);
        for method in [Method::PUT, Method::PATCH, Method::POST, Method::DELETE] {
            assert_eq!(status_of(&caller, &method, "/v1/policy"), Some(403));
        }
        assert_eq!(
            status_of(&caller, &Method::POST, "/v1/explain/"),
            Some(403),
            "what is not known is taken for a change"
        );
    }

    #[test]
    fn who_asks_too_often_waits_and_nobody_else_does() {
        let one = caller(Some(Key::User(1000)), Right::ReadWrite);
        let other = Caller {
            counted: Some(Key::User(1001)),
            ..one.clone()
        };
        let refused = (0..1000).filter_map(|_| status_of(&one, &Method::GET, "/v1/status"));
        let refused: Vec<u16> = refused.collect();
        assert!(refused.len() > 500, "{}", refused.len());
        assert!(refused.iter().all(|status| *status == 429));
        assert_eq!(status_of(&other, &Method::GET, "/v1/status"), None);
    }

    #[test]
    fn a_caller_has_so_many_connections_and_more_when_some_are_closed() {
        let limits = Arc::new(Limits::default());
        let key = Key::User(1000);
        let mut open: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|_| limits.enter(key).expect("one of its own"))
            .collect();
        assert!(limits.enter(key).is_none());
        assert!(limits.enter(Key::User(1001)).is_some());
        open.pop();
        assert!(limits.enter(key).is_some());
        drop(open);
        assert!(limits.connections.lock().unwrap().is_empty());
    }

    #[test]
    fn hosts_of_one_ipv6_network_are_one_caller() {
        let key = |address: &str| Key::of_host(address.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
