//! Follows what becomes of network devices, by the kernel's messages about links.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::{MulticastGroup, new_multicast_connection};

use tokio::task::JoinSet;

use super::running::Running;
use super::worker::{Handle, Unanswered};

/// How long messages are gathered: one change of a device is told in several.
const GATHERING: Duration = Duration::from_millis(5);
/// Pause before the kernel is asked for messages again, and before a machine that is busy is.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets the machine behind `handle` look at the devices whenever something has become of one, until it stops.
pub(super) async fn follow(handle: Handle) {
    loop {
        if let Err(error) = listen(&handle).await {
            tracing::warn!("no messages about network devices: {error}");
        }
        // Something may have been missed.
        look(&handle).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends when the kernel sends no more.
async fn listen(handle: &Handle) -> std::io::Result<()> {
    let (connection, _requests, mut messages) = new_multicast_connection(&[MulticastGroup::Link])?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    while let Some((message, _)) = messages.next().await {
        if !is_about_links(&message.payload) {
            continue;
        }
        tokio::time::sleep(GATHERING).await;
        while let Some(Some(_)) = messages.next().now_or_never() {}
        look(handle).await;
    }
    Ok(())
}

async fn look(handle: &Handle) {
    // A machine that compiles for a minute looks afterwards.
    while handle
        .ask(Running::follow_links)
        .await
        .is_err_and(|error| error == Unanswered::Busy)
    {
        tokio::time::sleep(PAUSE).await;
    }
}

/// An overrun has no payload of its own: messages were lost.
fn is_about_links(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    if let NetlinkPayload::InnerMessage(message) = payload {
        matches!(
            message,
            RouteNetlinkMessage::NewLink(_) | RouteNetlinkMessage::DelLink(_)
        )
    } else {
        true
    }
}
