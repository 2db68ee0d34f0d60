//! The fields of a rule, and sets of them.

/// A field of a rule, in the order in which rules are written and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// IP protocol.
    Protocol,
    /// Source port.
    SourcePort,
    /// Destination port.
    DestinationPort,
    /// Differentiated services code point.
    Dscp,
    /// VLAN identifier.
    Vlan,
    /// TCP flags.
    TcpFlags,
    /// Place in a fragmented datagram.
    Fragment,
    /// ICMP or `ICMPv6` type.
    IcmpType,
    /// Frame length.
    Length,
    /// Interface.
    Interface,
}

impl Field {
    /// All fields, in order.
    pub const ALL: [Self; 12] = [
        Self::Source,
        Self::Destination,
        Self::Protocol,
        Self::SourcePort,
        Self::DestinationPort,
        Self::Dscp,
        Self::Vlan,
        Self::TcpFlags,
        Self::Fragment,
        Self::IcmpType,
        Self::Length,
        Self::Interface,
    ];

    /// Its key in a policy file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Source => "src",
            Self::Destination => "dst",
            Self::Protocol => "protocol",
            Self::SourcePort => "src-port",
            Self::DestinationPort => "dst-port",
            Self::Dscp => "dscp",
            Self::Vlan => "vlan",
            Self::TcpFlags => "tcp-flags",
            Self::Fragment => "fragment",
            Self::IcmpType => "icmp-type",
            Self::Length => "length",
            Self::Interface => "interface",
        }
    }

    #[expect(clippy::as_conversions, reason = "the discriminant is below 16")]
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Some of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fields(u16);

impl Fields {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Adds `field` where `is_in`.
    #[must_use]
    pub const fn with(self, field: Field, is_in: bool) -> Self {
        if is_in {
            Self(self.0 | field.bit())
        } else {
            self
        }
    }

    /// How many there are.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in it, in order.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        let is_in = move |field: &Field| self.0 & field.bit() != 0;
        Field::ALL.into_iter().filter(is_in)
    }

    /// The first that is in it.
    pub fn first(self) -> Option<Field> {
        self.iter().next()
    }
}
