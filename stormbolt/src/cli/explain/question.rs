//! The question that the options ask.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use anyhow::Context;

use super::Args;
use crate::api::explanation::{MAX_LIMIT, Question, Word};
use crate::cli::exit::UsageError;
use crate::explain::{frame_of, hex, unhex};

/// Bytes of a file that are read at most: far more than the digits of the longest frame.
const MAX_FILE: u64 = 64 << 10;

/// Reads the options, and the frame if there is one. What contradicts itself is refused here, before
/// a daemon is asked.
pub(super) fn of(args: &Args) -> anyhow::Result<Question> {
    if args.limit > MAX_LIMIT {
        return Err(UsageError(format!("--limit: {MAX_LIMIT} is the highest")).into());
    }
    let packet = &args.packet;
    let word = |text: &Option<String>| text.clone().map(Word::Name);
    let question = Question {
        interface: args.interface.clone(),
        frame: args.frame.as_deref().map(frame).transpose()?,
        src: packet.src,
        dst: packet.dst,
        protocol: word(&packet.protocol),
        src_port: packet.src_port,
        dst_port: packet.dst_port,
        dscp: word(&packet.dscp),
        vlan: packet.vlan,
        tcp_flags: packet.tcp_flags.clone(),
        icmp_type: word(&packet.icmp_type),
        fragment: packet.fragment,
        length_bytes: packet.length,
        limit: Some(args.limit),
    };
    frame_of(&question).map_err(|error| UsageError(error.with_option()))?;
    Ok(question)
}

/// The digits of the frame in a file.
fn frame(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        stdin().lock().take(MAX_FILE).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    digits(&bytes)
}

/// Bytes are taken for digits where they are text: no Ethernet header is.
pub(super) fn digits(bytes: &[u8]) -> anyhow::Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text)
            if text
                .chars()
                .all(|c| c.is_ascii_graphic() || c.is_ascii_whitespace()) =>
        {
            let frame = unhex(text).map_err(|error| UsageError(error.with_option()))?;
            Ok(hex(&frame))
        }
        Ok(_) | Err(_) => Ok(hex(bytes)),
    }
}
