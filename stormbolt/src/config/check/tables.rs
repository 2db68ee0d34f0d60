//! How large the tables in the kernel are.

use stormbolt_common::limits::{MAX_CLASSES, MAX_INTERFACES};
use stormbolt_common::source::MAX_SOURCES;
use stormbolt_control::policy::TableWishes;

use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::TablesEntry;
use crate::config::numbers::integer;
use crate::config::section::{Field, Scalar};
use crate::config::units::{TABLE_FLOWS, TABLE_MEMORY, parse_size, write_size};

/// What the policy says of the tables' sizes, as far as it is valid.
pub(super) fn table_wishes(entry: &TablesEntry, problems: &mut Problems) -> TableWishes {
    let number = |key, field: &Option<Field>, max, problems: &mut Problems| {
        let field = field.as_ref()?;
        integer(key, field, 1..=max, problems)
    };
    TableWishes {
        sources: number("sources", &entry.sources, MAX_SOURCES, problems),
        memory: table_memory(entry.memory.as_ref(), problems),
        flows: table_flows(entry.flows.as_ref(), problems),
        classes: number("classes", &entry.classes, MAX_CLASSES, problems),
        interfaces: number("interfaces", &entry.interfaces, MAX_INTERFACES, problems),
    }
}

/// Bytes of the tables of one policy. `None` when nothing valid is given.
fn table_memory(field: Option<&Field>, problems: &mut Problems) -> Option<u64> {
    let field = field?;
    let problem = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Text(given) => match parse_size(given) {
            Ok(bytes) if TABLE_MEMORY.contains(&bytes) => return Some(bytes),
            Ok(bytes) => {
                let message = format!("table memory `{}` is out of bounds", write_size(bytes));
                let (first, last) = (
                    write_size(*TABLE_MEMORY.start()),
                    write_size(*TABLE_MEMORY.end()),
                );
                Problem::error(field.span(), message).help(format!("it is from {first} to {last}"))
            }
            Err(error) => Problem::error(field.span(), error.to_string()).help(error.help()),
        },
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            let problem = Problem::error(field.span(), "`memory` has no unit");
            problem.help("write a size in quotes, like \"256MiB\"")
        }
    };
    problems.add(problem);
    None
}

/// IPv4 flows that each CPU remembers. `None` when nothing valid is given.
fn table_flows(field: Option<&Field>, problems: &mut Problems) -> Option<u32> {
    let field = field?;
    let (first, last) = (*TABLE_FLOWS.start(), *TABLE_FLOWS.end());
    let help = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Number(given) => match u32::try_from(*given) {
            Ok(0) => return Some(0),
            Ok(flows) if TABLE_FLOWS.contains(&flows) => {
                if flows.is_power_of_two() {
                    return Some(flows);
                }
                let above = flows.next_power_of_two();
                format!("write {} or {above}", above / 2)
            }
            Ok(flows) if flows < first => format!("write {first}, or 0 to remember no flows"),
            Err(_) if *given < 0 => "write 0 to remember no flows".to_owned(),
            Ok(_) | Err(_) => format!("write {last}, the most that is possible"),
        },
        Scalar::Flag(false) => "write 0 to remember no flows".to_owned(),
        Scalar::Flag(true) | Scalar::OtherNumber(_) => "write an integer, like 65536".to_owned(),
        Scalar::Text(_) => "write a number without unit and quotes, like 65536".to_owned(),
    };
    let message = format!("`flows` must be 0 or a power of two from {first} to {last}");
    problems.add(Problem::error(field.span(), message).help(help));
    None
}
