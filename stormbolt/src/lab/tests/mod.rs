//! The lab tested on itself: what needs root follows [`super::require_root`].

mod namespaces;
mod traffic;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::clock::{MILLISECOND_NS, now_ns, sleep_until};
use super::{Interface, Namespace, VethOptions, connect, veth};

const LEFT_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
const RIGHT_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
const LEFT_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1));
const RIGHT_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 2));

/// Two namespaces with one link between them.
struct Pair {
    left: Namespace,
    right: Namespace,
    left_end: Interface,
    right_end: Interface,
}

fn pair() -> Pair {
    let (left, right) = (
        Namespace::new("left").unwrap(),
        Namespace::new("right").unwrap(),
    );
    let (left_end, right_end) =
        veth(&left, "lab0", &right, "lab1", VethOptions::default()).unwrap();
    connect(
        &left_end,
        &[(LEFT_V4, 24), (LEFT_V6, 64)],
        &right_end,
        &[(RIGHT_V4, 24), (RIGHT_V6, 64)],
    )
    .unwrap();
    Pair {
        left,
        right,
        left_end,
        right_end,
    }
}

/// Waits until `condition` holds, for a time that only a hanging machine exceeds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        sleep_until(now_ns() + 10 * MILLISECOND_NS);
    }
    panic!("never came: {what}");
}

fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn any_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}
