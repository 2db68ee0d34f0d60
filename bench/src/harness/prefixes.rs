//! The peer: the kernel's own longest-prefix table.

use anyhow::{Context as _, Result};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::programs::ProgramFd;
use aya::{Ebpf, EbpfLoader};
use ipnet::IpNet;
use xtask::rulesets::IpVersion;

use super::front::load_program;
use super::object;

/// A program that drops what comes from one of many prefixes, and looks at nothing else.
pub struct KernelPrefixes {
    _ebpf: Ebpf,
    program: ProgramFd,
}

impl KernelPrefixes {
    /// Loads the program with `prefixes`, all of `version`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn load(prefixes: &[IpNet], version: IpVersion) -> Result<Self> {
        let (map, program) = match version {
            IpVersion::V4 => ("PREFIXES_V4", "lpm_v4"),
            IpVersion::V6 => ("PREFIXES_V6", "lpm_v6"),
        };
        let room = u32::try_from(prefixes.len().max(1))?;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(map, room)
            .load(object::programs())?;
        let table = ebpf.map_mut(map).context(map)?;
        match version {
            IpVersion::V4 => {
                let mut table: LpmTrie<_, [u8; 4], u32> = table.try_into()?;
                for prefix in prefixes {
                    if let IpNet::V4(prefix) = prefix {
                        let length = u32::from(prefix.prefix_len());
                        table.insert(&Key::new(length, prefix.addr().octets()), 1, 0)?;
                    }
                }
            }
            IpVersion::V6 => {
                let mut table: LpmTrie<_, [u8; 16], u32> = table.try_into()?;
                for prefix in prefixes {
                    if let IpNet::V6(prefix) = prefix {
                        let length = u32::from(prefix.prefix_len());
                        table.insert(&Key::new(length, prefix.addr().octets()), 1, 0)?;
                    }
                }
            }
        }
        let program = load_program(&mut ebpf, program)?;
        Ok(Self {
            _ebpf: ebpf,
            program,
        })
    }

    /// The program.
    pub fn program(&self) -> &ProgramFd {
        &self.program
    }
}
