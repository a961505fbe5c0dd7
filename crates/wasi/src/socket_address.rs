//! Socket addresses: as the guest lays them out, as the kernel does, and the ranges that a host allows.

use crate::Stop;
use crate::builder::InitError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use wayfarer_files::Errno;
use wayfarer_guest::GuestMemory;

/// Size of an `addr` in guest memory, bytes: a kind (0: IPv4, 1: IPv6), the address, the port.
pub(crate) const ADDR_SIZE: u64 = 24;
/// Size of an `addr_ip` in guest memory, bytes: the same without a port.
pub(crate) const ADDR_IP_SIZE: u64 = 20;

/// Reads an `addr_ip`.
///
/// # Errors
/// `AFNOSUPPORT` for another kind; a trap for a bad address.
pub(crate) fn read_ip(memory: &GuestMemory<'_>, addr: u64) -> Result<IpAddr, Stop> {
    memory.range(addr, ADDR_IP_SIZE)?;
    match memory.read_u32(addr)? {
        0 => {
            let mut octets = [0; 4];
            memory.read(addr + 4, &mut octets)?;
            Ok(Ipv4Addr::from(octets).into())
        }
        1 => {
            let mut segments = [0; 8];
            for (i, segment) in segments.iter_mut().enumerate() {
                *segment = memory.read_u16(addr + 4 + 2 * i as u64)?;
            }
            Ok(Ipv6Addr::from(segments).into())
        }
        _ => Err(Errno::AfNoSupport.into()),
    }
}

/// Reads an `addr`.
///
/// # Errors
/// As [`read_ip`].
pub(crate) fn read(memory: &GuestMemory<'_>, addr: u64) -> Result<SocketAddr, Stop> {
    memory.range(addr, ADDR_SIZE)?;
    let ip = read_ip(memory, addr)?;
    let port = memory.read_u16(addr + if ip.is_ipv4() { 8 } else { 20 })?;
    Ok(SocketAddr::new(ip, port))
}

/// An `addr` as text, if it is one.
pub fn text_of(memory: &GuestMemory<'_>, addr: u64) -> Option<String> {
    Some(read(memory, addr).ok()?.to_string())
}

/// Writes an `addr`.
pub(crate) fn write(memory: &GuestMemory<'_>, addr: u64, from: SocketAddr) -> Result<(), Stop> {
    let mut bytes = [0; ADDR_SIZE as usize];
    match from {
        SocketAddr::V4(v4) => {
            bytes[4..8].copy_from_slice(&v4.ip().octets());
            bytes[8..10].copy_from_slice(&v4.port().to_le_bytes());
        }
        SocketAddr::V6(v6) => {
            bytes[0] = 1;
            for (i, segment) in v6.ip().segments().iter().enumerate() {
                bytes[4 + 2 * i..6 + 2 * i].copy_from_slice(&segment.to_le_bytes());
            }
            bytes[20..22].copy_from_slice(&v6.port().to_le_bytes());
        }
    }
    Ok(memory.write(addr, &bytes)?)
}

/// The kernel's form: `sockaddr_in` (ip(7)) or `sockaddr_in6` (ipv6(7)).
pub(crate) fn to_kernel(addr: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    match addr {
        SocketAddr::V4(v4) => {
            bytes.extend((libc::AF_INET as u16).to_ne_bytes());
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(v6) => {
            bytes.extend((libc::AF_INET6 as u16).to_ne_bytes());
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend(v6.flowinfo().to_ne_bytes());
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
    }
    bytes
}

/// From the kernel's form; `None` if it is neither IPv4 nor IPv6.
pub(crate) fn from_kernel(bytes: &[u8]) -> Option<SocketAddr> {
    let part = |at: usize, len: usize| bytes.get(at..at + len);
    let family = u16::from_ne_bytes(part(0, 2)?.try_into().ok()?);
    let port = u16::from_be_bytes(part(2, 2)?.try_into().ok()?);
    if i32::from(family) == libc::AF_INET {
        let octets: [u8; 4] = part(4, 4)?.try_into().ok()?;
        return Some(SocketAddrV4::new(octets.into(), port).into());
    }
    if i32::from(family) == libc::AF_INET6 {
        let flow = u32::from_ne_bytes(part(4, 4)?.try_into().ok()?);
        let octets: [u8; 16] = part(8, 16)?.try_into().ok()?;
        let scope = u32::from_ne_bytes(part(24, 4)?.try_into().ok()?);
        return Some(SocketAddrV6::new(octets.into(), port, flow, scope).into());
    }
    None
}

/// Addresses that share their first bits; all of its kind, if the network is 0.0.0.0 or ::, as WAMR has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    network: IpAddr,
    bits: u32,
}

impl Range {
    /// Reads `ADDRESS/MASKBITS`.
    pub(crate) fn parse(entry: &str) -> Result<Self, InitError> {
        let (address, mask) =
            entry.split_once('/').ok_or_else(|| InitError::AddressFormat(entry.to_owned()))?;
        let bits: u32 = mask.parse().map_err(|_| InitError::AddressMask)?;
        let invalid = || InitError::Environment(format!("address pool entry {entry} is no address range"));
        let network: IpAddr = address.parse().map_err(|_| invalid())?;
        if network.is_unspecified() {
            return Ok(Range { network, bits: 0 });
        }
        if bits > if network.is_ipv4() { 32 } else { 128 } {
            return Err(invalid());
        }
        Ok(Range { network, bits })
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let differ = match (self.network, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_guest_and_kernel_forms() {
        for text in ["127.0.0.1:8080", "[2001:db8::7:1]:443", "0.0.0.0:0"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(from_kernel(&to_kernel(addr)), Some(addr));
            let mut bytes = [0xff; 64];
            let memory = GuestMemory::from_slice(&mut bytes);
            assert!(write(&memory, 8, addr).is_ok());
            assert_eq!(read(&memory, 8).ok(), Some(addr));
        }
        assert_eq!(from_kernel(&[]), None);
        assert_eq!(from_kernel(&[1, 0, 2, 3]), None);
    }

    #[test]
    fn guest_layout_has_little_endian_ports_and_segments() {
        let mut bytes = [0; 24];
        let memory = GuestMemory::from_slice(&mut bytes);
        assert!(write(&memory, 0, "[102::304]:513".parse().unwrap()).is_ok());
        assert_eq!(bytes[..6], [1, 0, 0, 0, 2, 1]);
        assert_eq!(bytes[18..22], [4, 3, 1, 2]);
    }

    #[test]
    fn ranges_compare_leading_bits() {
        let range = Range::parse("10.1.0.0/16").unwrap();
        assert!(range.contains("10.1.255.1".parse().unwrap()));
        assert!(!range.contains("10.2.0.1".parse().unwrap()));
        assert!(!range.contains("::1".parse().unwrap()));
        assert!(Range::parse("0.0.0.0/0").unwrap().contains("8.8.8.8".parse().unwrap()));
        for any in ["0.0.0.0/8", "0.0.0.0/32", "0.0.0.0/99"] {
            assert!(Range::parse(any).unwrap().contains("8.8.8.8".parse().unwrap()), "{any}");
            assert!(!Range::parse(any).unwrap().contains("::1".parse().unwrap()), "{any}");
        }
        assert!(Range::parse("::/64").unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!(!Range::parse("::/0").unwrap().contains("127.0.0.1".parse().unwrap()));
        assert!(Range::parse("::1/128").unwrap().contains("::1".parse().unwrap()));
        assert!(!Range::parse("::1/128").unwrap().contains("::2".parse().unwrap()));
        assert!(Range::parse("1.2.3.4/33").is_err());
    }
}
