//! `stormbolt explain`

mod answer;
mod question;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::output::{Format, Output};
use crate::api::client::Client;
use crate::api::explanation::{DEFAULT_LIMIT, Place};

/// Says what becomes of an arriving packet: rule, class and why.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Says what becomes of an arriving packet. The program that is loaded in the kernel \
        is asked itself, with a frame made for the question, so the answer is what it does and not \
        what it should do. Nothing is counted, no token is spent, no packet is sent.\n\n\
        The answer names the rule and the class, which of the rules before it came closest and on \
        which fields they failed, what is left of the class's rate, and the CPU that the flow is \
        steered to.\n\n\
        Say what the packet is, or give a whole frame. What is left out: a TCP SYN without VLAN tag, \
        DSCP 0, from port 49152, as short as can be; an ICMP type asks about ICMP. The answer shows \
        the packet that was asked about.",
    after_long_help = "Example:\n  \
        sudo stormbolt explain --src 198.51.100.7 --dst 203.0.113.1 --dst-port 443\n  \
        sudo stormbolt explain --interface eth1 --src 2001:db8::7 --dst 2001:db8::1 \\\n      \
        --protocol udp --dst-port 53 --vlan 12 --dscp ef\n  \
        sudo stormbolt explain --src 198.51.100.7 --dst 203.0.113.1 --icmp-type echo-request\n  \
        sudo stormbolt explain --frame packet.hex -o json\n  \
        xxd -p frame.bin | sudo stormbolt explain --frame -"
)]
pub(super) struct Args {
    /// The interface that it arrives on; may be left out where the policy has only one.
    #[arg(long, short, value_name = "NAME")]
    interface: Option<String>,

    #[command(flatten)]
    packet: Packet,

    /// A whole frame in place of the options above: a file with hexadecimal digits or raw bytes, from
    /// the Ethernet header on; `-` reads standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with = "Packet")]
    frame: Option<PathBuf>,

    /// Rules that are named as having come close, at most.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    limit: usize,

    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
#[group(multiple = true)]
struct Packet {
    /// Source address, IPv4 or IPv6.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "frame")]
    src: Option<IpAddr>,

    /// Destination address, of the same family.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "frame")]
    dst: Option<IpAddr>,

    /// Protocol, by name or number.
    #[arg(long, short, value_name = "NAME|N")]
    protocol: Option<String>,

    /// Source port of TCP, UDP or SCTP.
    #[arg(long, value_name = "PORT")]
    src_port: Option<u16>,

    /// Destination port.
    #[arg(long, value_name = "PORT")]
    dst_port: Option<u16>,

    /// Differentiated services code point, by name (`ef`, `af41`) or number.
    #[arg(long, value_name = "NAME|N")]
    dscp: Option<String>,

    /// VLAN identifier of an 802.1Q tag.
    #[arg(long, value_name = "ID")]
    vlan: Option<u16>,

    /// The TCP flags that are set, like `syn,ack`; `none` for none.
    #[arg(long, value_name = "LIST")]
    tcp_flags: Option<String>,

    /// ICMP or ICMPv6 type, by name or number.
    #[arg(long, value_name = "NAME|N")]
    icmp_type: Option<String>,

    /// Place in a fragmented datagram; later fragments carry no ports.
    #[arg(long, value_enum, value_name = "PLACE")]
    fragment: Option<Place>,

    /// Length of the frame in bytes, Ethernet header included, checksum (FCS) excluded.
    #[arg(long, value_name = "BYTES")]
    length: Option<u16>,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let question = question::of(args)?;
    let answer = Client::new(socket)?.explain(&question)?;
    match args.output {
        Format::Json => output.json(&answer)?,
        Format::Table => output.write_all(answer::text(&answer, output.style).as_bytes())?,
    }
    Ok(Exit::Done)
}
