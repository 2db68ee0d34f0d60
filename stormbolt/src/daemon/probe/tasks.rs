//! What the prober's thread does: it asks each address, and looks at the devices' counters.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use rtnetlink::Handle;
use rtnetlink::packet_route::link::{LinkAttribute, Stats64};
use tokio::time::{MissedTickBehavior, interval};

use super::Followed;
use super::echo::Requests;
use super::feed::Feed;
use super::socket::{ANSWER_BYTES, EchoSocket};
use crate::causes::with_causes;
use crate::daemon::clock;

/// How often the devices' counters are looked at.
const COUNTERS_EVERY: Duration = Duration::from_millis(100);

/// Asks one address for ever.
pub(super) async fn ask(followed: Followed, probe: usize, address: IpAddr, feed: Feed) {
    let name = &followed.name;
    let mut requests = Requests::to(address, RandomState::new().build_hasher().finish());
    let mut timer = interval(Duration::from_nanos(
        followed.adaptive.probe_interval.0.max(1),
    ));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut socket: Option<EchoSocket> = None;
    let mut buffer = [0; ANSWER_BYTES];
    loop {
        tokio::select! {
            _ = timer.tick() => {
                for _ in 0..requests.give_up(clock::now()) {
                    feed.echo(probe, None);
                }
                let sent = send(name, address, &mut socket, &mut requests).await;
                let fault = |reason| format!("interface {name}: cannot ask probe {address}: {reason}");
                feed.fault(probe, sent.err().map(fault));
            }
            received = receive(socket.as_ref(), &mut buffer) => match received {
                Ok((bytes, framing)) => {
                    if let Some(round_trip) = requests.answer(bytes, framing, clock::now()) {
                        feed.echo(probe, Some(round_trip));
                    }
                }
                // The next request is sent by another one.
                Err(()) => socket = None,
            },
        }
    }
}

/// Sends the next request, by a new socket where there is none. After a failure there is none: the interface
/// may have been made anew.
async fn send(
    interface: &str,
    address: IpAddr,
    socket: &mut Option<EchoSocket>,
    requests: &mut Requests,
) -> Result<(), String> {
    let open = match socket.take() {
        Some(open) => open,
        None => EchoSocket::open(interface, address).map_err(|error| with_causes(&error))?,
    };
    if let Err(error) = open.send(&requests.ask(clock::now())).await {
        requests.unask();
        return Err(with_causes(&error));
    }
    *socket = Some(open);
    Ok(())
}

/// Waits for something from the address; without a socket, for ever.
async fn receive<'a>(
    socket: Option<&EchoSocket>,
    buffer: &'a mut [u8; ANSWER_BYTES],
) -> Result<(&'a [u8], super::echo::Framing), ()> {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    let length = socket.receive(buffer).await.map_err(drop)?;
    Ok((buffer.get(..length).unwrap_or_default(), socket.framing))
}

/// Looks at the counters of the devices for ever.
pub(super) async fn count_missed(followed: Vec<(Followed, Feed)>) {
    let netlink = match rtnetlink::new_connection() {
        Ok((connection, netlink, _messages)) => {
            tokio::spawn(connection);
            netlink
        }
        Err(error) => {
            for (followed, feed) in &followed {
                let reason = with_causes(&error);
                feed.fault(
                    followed.adaptive.probes.len(),
                    Some(format!(
                        "interface {}: frames that the device loses are not seen: {reason}",
                        followed.name
                    )),
                );
            }
            return;
        }
    };
    let mut timer = interval(COUNTERS_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        for (followed, feed) in &followed {
            feed.missed_frames(missed_frames(&netlink, &followed.name).await);
        }
    }
}

/// Frames that a device had no room for; `None`: it is gone or does not count them.
///
/// Not `rx_dropped`: veth and others count there what the program drops on purpose.
async fn missed_frames(netlink: &Handle, interface: &str) -> Option<u64> {
    let request = netlink.link().get().match_name(interface.to_owned());
    let link = request.execute().try_next().await.ok()??;
    let stats = link.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::Stats64(stats) = attribute {
            Some(stats)
        } else {
            None
        }
    });
    stats.map(missed)
}

/// Drivers count a frame in one of these, or in both.
fn missed(stats: &Stats64) -> u64 {
    stats.rx_missed_errors.max(stats.rx_fifo_errors)
}
