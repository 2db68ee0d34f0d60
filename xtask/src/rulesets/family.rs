//! What kind of rule set to make.

use std::{fmt, str::FromStr};

use anyhow::{Error, bail};

/// The kind of rule set, after where the sets that it resembles were in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Access control lists of routers: specific destinations and ports.
    Acl,
    /// Firewalls: one side is often anywhere, ports vary on both sides.
    Fw,
    /// Chains of Linux: both sides fairly specific.
    Ipc,
}

impl Family {
    /// All families, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Acl, Self::Fw, Self::Ipc];
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Acl => "acl",
            Self::Fw => "fw",
            Self::Ipc => "ipc",
        })
    }
}

impl FromStr for Family {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "acl" => Ok(Self::Acl),
            "fw" => Ok(Self::Fw),
            "ipc" => Ok(Self::Ipc),
            _ => bail!("unknown family `{name}`: acl, fw or ipc"),
        }
    }
}

/// The version of IP of a whole set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// The bits of an address.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for IpVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::V4 => "4",
            Self::V6 => "6",
        })
    }
}

impl FromStr for IpVersion {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "4" => Ok(Self::V4),
            "6" => Ok(Self::V6),
            _ => bail!("unknown version `{name}`: 4 or 6"),
        }
    }
}
