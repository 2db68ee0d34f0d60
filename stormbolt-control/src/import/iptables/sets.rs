//! What `ipset save` prints, in front of the tables.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::import::addresses::Family;
use crate::import::draft::Read;
use crate::import::values;

/// Sets by name.
#[derive(Debug, Default)]
pub(super) struct Sets(BTreeMap<String, IpSet>);

#[derive(Debug)]
struct IpSet {
    family: Family,
    /// `None`: the set is of a kind that has other things than addresses.
    prefixes: Option<Vec<IpNet>>,
}

impl Sets {
    /// Reads `create NAME KIND …` or `add NAME ENTRY …`.
    pub(super) fn read(&mut self, words: &[&str]) -> Read {
        match words {
            ["create", name, kind, options @ ..] => {
                let is_ipv6 = options.windows(2).any(|pair| pair == ["family", "inet6"]);
                let known = matches!(*kind, "hash:ip" | "hash:net" | "bitmap:ip");
                let set = IpSet {
                    family: if is_ipv6 { Family::Ipv6 } else { Family::Ipv4 },
                    prefixes: known.then(Vec::new),
                };
                self.0.insert((*name).to_owned(), set);
                if known {
                    Ok(())
                } else {
                    Err(format!("sets of kind `{kind}` are not sets of prefixes"))
                }
            }
            ["add", name, entry, options @ ..] => {
                let set = self
                    .0
                    .get_mut(*name)
                    .ok_or("its set is not created before it")?;
                if options.contains(&"nomatch") {
                    return Err("StormBolt's sets have no exceptions".to_owned());
                }
                let prefixes = set
                    .prefixes
                    .as_mut()
                    .ok_or("its set is not one of prefixes")?;
                prefixes.extend(values::prefixes(entry, set.family)?);
                Ok(())
            }
            _ => Err("it is neither `create` nor `add`".to_owned()),
        }
    }

    /// The prefixes of a set; `None` if it is not in the text.
    pub(super) fn prefixes(&self, name: &str) -> Read<Option<&[IpNet]>> {
        match self.0.get(name) {
            Some(IpSet {
                prefixes: Some(prefixes),
                ..
            }) => Ok(Some(prefixes)),
            Some(_) => Err(format!("set `{name}` is not one of prefixes")),
            None => Ok(None),
        }
    }
}
