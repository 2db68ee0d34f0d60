//! A bottleneck with a queue, as a link of another's has: the kernel's token bucket filter (`tbf`).

use futures_util::StreamExt as _;
use rtnetlink::packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};

use super::{Interface, LabError};

/// What passes at once: a few frames, so that the queue is where packets wait.
const BURST_BYTES: u32 = 16 * 1024;

/// `TC_LINKLAYER_ETHERNET` of `linux/pkt_sched.h`.
const ETHERNET: u8 = 1;
/// `TCA_TBF_PARMS`, `TCA_TBF_RATE64` and `TCA_TBF_BURST`, likewise.
const PARAMETERS: u16 = 1;
const RATE_64: u16 = 4;
const BURST: u16 = 6;

impl Interface {
    /// Holds what leaves by this interface to a rate at layer 2, behind a queue of so many bytes. Called again it
    /// changes both; what is queued stays.
    ///
    /// # Errors
    ///
    /// When the kernel has no `tbf` (module `sch_tbf`).
    pub fn set_bottleneck(&self, bits_per_second: u64, queue_bytes: u32) -> Result<(), LabError> {
        let bytes_per_second = bits_per_second / 8;
        let option = |kind, value: Vec<u8>| TcOption::Other(DefaultNla::new(kind, value));
        let options = vec![
            option(PARAMETERS, parameters(bytes_per_second, queue_bytes)),
            option(RATE_64, bytes_per_second.to_ne_bytes().to_vec()),
            option(BURST, BURST_BYTES.to_ne_bytes().to_vec()),
        ];
        self.netlink(
            format!("hold to {bits_per_second} bit/s what leaves by"),
            async |mut netlink, index| {
                let mut message = TcMessage::with_index(i32::try_from(index).unwrap_or(0));
                message.header.parent = TcHandle::ROOT;
                message.header.handle = TcHandle { major: 1, minor: 0 };
                message.attributes = vec![
                    TcAttribute::Kind("tbf".to_owned()),
                    TcAttribute::Options(options),
                ];
                let message = RouteNetlinkMessage::NewQueueDiscipline(message);
                let mut request = NetlinkMessage::from(message);
                request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
                let mut answers = netlink.request(request)?;
                while let Some(answer) = answers.next().await {
                    if let NetlinkPayload::Error(error) = answer.payload
                        && error.code.is_some()
                    {
                        return Err(rtnetlink::Error::NetlinkError(error));
                    }
                }
                Ok(())
            },
        )
    }
}

/// `struct tc_tbf_qopt`: a rate and a peak rate, both `struct tc_ratespec`; limit, buffer, MTU.
fn parameters(bytes_per_second: u64, queue_bytes: u32) -> Vec<u8> {
    let rate = u32::try_from(bytes_per_second).unwrap_or(u32::MAX);
    let mut bytes = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    bytes.extend(rate.to_ne_bytes());
    bytes.extend([0; 12]);
    bytes.extend(queue_bytes.to_ne_bytes());
    // The burst is an option of its own; without a peak rate there is no MTU.
    bytes.extend([0; 8]);
    bytes
}
