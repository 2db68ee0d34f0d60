//! Ethernet and VLAN tags.

/// `EtherType` of IPv4.
pub const IPV4: u16 = 0x0800;
/// `EtherType` of ARP.
pub const ARP: u16 = 0x0806;
/// `EtherType` of an 802.1Q tag.
pub const CUSTOMER_TAG: u16 = 0x8100;
/// `EtherType` of IPv6.
pub const IPV6: u16 = 0x86dd;
/// `EtherType` of an 802.1ad tag.
pub const SERVICE_TAG: u16 = 0x88a8;
/// `EtherType` of LLDP.
pub const LLDP: u16 = 0x88cc;

/// Both addresses of an Ethernet header.
const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// An untagged frame.
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&ADDRESSES[..], &ether_type.to_be_bytes(), payload].concat()
}

/// `frame` with one more tag, outside all others: `kind` is [`CUSTOMER_TAG`] or [`SERVICE_TAG`],
/// `control` the priority bits and the VLAN identifier.
pub fn tagged(frame: &[u8], kind: u16, control: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(ADDRESSES.len());
    [addresses, &kind.to_be_bytes(), &control.to_be_bytes(), rest].concat()
}

/// `frame` with an 802.1Q tag of VLAN `vlan` outside all others.
pub fn tag(frame: &[u8], vlan: u16) -> Vec<u8> {
    tagged(frame, CUSTOMER_TAG, vlan)
}

/// `frame` filled up with zeros to `length` bytes.
pub fn padded(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame.resize(frame.len().max(length), 0);
    frame
}

/// The first `length` bytes of `frame`.
pub fn cut(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame.truncate(length);
    frame
}
