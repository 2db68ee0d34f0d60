//! The answer as people read it: what becomes of the packet, then why, then what is left.

use std::net::IpAddr;

use crate::api::documents::BUILT_IN;
use crate::api::explanation::{
    Explanation, FailedFirst, Headroom, NearMiss, PacketValues, Place, Steering,
};
use crate::cli::format::{bytes, counted, cpus, measured};
use crate::cli::output::Style;
use crate::cli::table::{Table, printable};
use crate::config::words::write_protocol;

/// Writes the answer; newline at the end.
pub(super) fn text(answer: &Explanation, style: Style) -> String {
    let mut text = format!("{}\n", style.strong(&printable(&verdict(answer))));
    if let Some(disagreement) = &answer.disagreement {
        let line = format!("{} {disagreement}\n", style.error("BUG:"));
        text.push_str(&line);
    }
    text.push('\n');
    line(&mut text, "packet", &packet(answer));
    if let Some(rule) = &answer.rule {
        line(&mut text, "matches", &rule.matches);
    }
    if answer.not_classified.is_none() {
        line(&mut text, "why", &why(answer));
        if !answer.near_misses.is_empty() {
            text.push_str(&indented(&nearest(&answer.near_misses, style)));
        }
        if !answer.others.is_empty() {
            let named = !answer.near_misses.is_empty();
            line(&mut text, "", &others(&answer.others, named));
        }
    }
    if let Some(rate) = answer.per_source_bits_per_second {
        let each = format!("{} at most (`stormbolt show sources`)", measured(rate));
        line(&mut text, "source", &each);
    }
    if let Some(left) = &answer.headroom {
        line(&mut text, "headroom", &headroom(left));
    }
    if let Some(steering) = &answer.steering {
        line(&mut text, "cpu", &steered(steering));
    }
    text
}

fn verdict(answer: &Explanation) -> String {
    let end = match (answer.action.as_str(), &answer.class) {
        ("class", Some(class)) => format!("class {class}"),
        ("pass", _) => "passed, in no class".to_owned(),
        ("drop", _) => "dropped".to_owned(),
        (action, _) => action.to_owned(),
    };
    let by = match (&answer.rule, &answer.not_classified) {
        (Some(rule), _) if rule.position == BUILT_IN => format!("built in: {}", rule.name),
        (Some(rule), _) => format!("rule {} `{}`", rule.position, rule.name),
        (None, Some(not)) => format!("not classified ({}): {}", not.outcome, not.meaning),
        (None, None) if answer.decided_by == "default" => "no rule matches".to_owned(),
        (None, None) => "an unknown rule".to_owned(),
    };
    let default = if answer.decided_by == "default" {
        "default "
    } else {
        ""
    };
    format!("{by} → {default}{end}")
}

fn packet(answer: &Explanation) -> String {
    let place = format!("on {}, generation {}", answer.interface, answer.generation);
    match &answer.packet {
        Some(packet) => format!("{}, {place}", values(packet)),
        None => format!("{} bytes {place}", answer.frame.len() / 2),
    }
}

fn values(packet: &PacketValues) -> String {
    let end = |address: IpAddr, port: Option<u16>| match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    };
    let protocol = write_protocol(packet.protocol);
    let mut parts = vec![
        format!(
            "{} → {}",
            end(packet.src, packet.src_port),
            end(packet.dst, packet.dst_port)
        ),
        match (&packet.tcp_flags, packet.icmp_type) {
            (Some(flags), _) => format!("{protocol} {flags}"),
            (None, Some(icmp_type)) => format!("{protocol} type {icmp_type}"),
            (None, None) => protocol,
        },
        format!("dscp {}", packet.dscp),
    ];
    parts.extend(packet.vlan.map(|vlan| format!("vlan {vlan}")));
    parts.extend(match packet.fragment {
        Place::No => None,
        Place::First => Some("first fragment".to_owned()),
        Place::Later => Some("later fragment".to_owned()),
    });
    parts.push(format!("{} bytes", packet.length_bytes));
    parts.join(", ")
}

fn why(answer: &Explanation) -> String {
    let before = answer.rules_before;
    let rules = counted(before, "rule", "rules");
    match (answer.decided_by.as_str(), before) {
        ("built-in", _) => {
            "it is exempt before any rule is asked (`[management]` of the policy)".to_owned()
        }
        ("default", 0) => "the policy has no rules".to_owned(),
        ("default", _) => format!("none of the {rules} accepts the packet in every field"),
        (_, 0) => "it is the first rule, and accepts the packet in every field".to_owned(),
        (_, 1) => "it accepts the packet in every field; the rule before it does not".to_owned(),
        (_, _) => {
            format!("it accepts the packet in every field; none of the {rules} before it does")
        }
    }
}

/// The rules that came closest, a line per field that failed.
fn nearest(misses: &[NearMiss], style: Style) -> String {
    let titles = [">#", "closest", "action", "failed on", "wants", "has"];
    let mut table = Table::new(style, &titles);
    for miss in misses {
        for (index, failed) in miss.failed.iter().enumerate() {
            let first = |text: String| if index == 0 { text } else { String::new() };
            table.row([
                first(match miss.position {
                    BUILT_IN => "-".to_owned(),
                    position => position.to_string(),
                })
                .into(),
                first(miss.name.clone()).into(),
                first(miss.action.clone()).into(),
                failed.field.as_str().into(),
                failed.wants.as_str().into(),
                failed.has.as_str().into(),
            ]);
        }
    }
    table.render()
}

fn others(others: &[FailedFirst], named: bool) -> String {
    let sum: usize = others.iter().map(|one| one.rules).sum();
    let each: Vec<String> = others
        .iter()
        .map(|one| format!("{} {}", one.field, one.rules))
        .collect();
    let other = if named { "other " } else { "" };
    let rules = counted(sum, &format!("{other}rule"), &format!("{other}rules"));
    format!(
        "{rules}, by the first field that failed: {}",
        each.join(", ")
    )
}

fn headroom(left: &Headroom) -> String {
    let passes = if left.passes_now {
        "this packet would pass now"
    } else {
        "this packet would be dropped now"
    };
    format!(
        "{} of {} left, the bucket has {} of {} ({} more with the CPUs): {passes}",
        measured(left.left_bits_per_second),
        measured(left.rate_bits_per_second),
        bytes(left.bucket_bytes),
        bytes(left.burst_bytes),
        bytes(left.leased_bytes),
    )
}

fn steered(steering: &Steering) -> String {
    match steering.cpu {
        Some(cpu) => format!("{cpu}, of {}", cpus(&steering.cpus)),
        None => "the one that it arrives on".to_owned(),
    }
}

fn line(text: &mut String, title: &str, words: &str) {
    let line = format!("{title:<10}{}", printable(words));
    text.push_str(line.trim_end());
    text.push('\n');
}

fn indented(table: &str) -> String {
    let lines = table.lines().map(|line| format!("{:10}{line}\n", ""));
    lines.collect()
}
