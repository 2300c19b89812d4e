//! A network namespace whose every connection leads to the server: a default route into the loopback
//! interface, and a translation of addresses that turns TCP to the server's listener and questions for
//! names to its answerer. Said to the kernel over netlink; nothing of the host is changed.

use std::io;
use std::net::Ipv4Addr;

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The loopback interface's number in a new namespace.
const LOOPBACK: u32 = 1;
/// The kernel's answers are short.
const MAX_ANSWER: usize = 4096;
/// The port of questions for names.
const NAMES: u16 = 53;

// What is not in `libc`: attributes of nf_tables, from linux/netfilter/nf_tables.h.
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFT_REG_1: u32 = 1;
const NFT_META_L4PROTO: u32 = 16;
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
/// Before the routing of what processes here send.
const LOCAL_OUT: u32 = 3;
/// The priority of translations of destinations.
const DESTINATIONS: i32 = -100;

/// Leads all TCP that leaves this namespace to a port of the loopback interface, and questions for names
/// to port 53 there.
///
/// # Errors
/// What the kernel says, where it has no nf_tables for one.
pub fn lead_to(port: u16) -> io::Result<()> {
    route()?;
    let mut batch = Batch::default();
    batch.control(libc::NFNL_MSG_BATCH_BEGIN);
    batch.message(libc::NFT_MSG_NEWTABLE, |message| message.text(1, "ropeway"));
    batch.message(libc::NFT_MSG_NEWCHAIN, |message| {
        message.text(1, "ropeway");
        message.text(3, "out");
        message.nest(NFTA_CHAIN_HOOK, |hook| {
            hook.number(NFTA_HOOK_HOOKNUM, LOCAL_OUT);
            hook.number(NFTA_HOOK_PRIORITY, u32::from_ne_bytes(DESTINATIONS.to_ne_bytes()));
        });
        message.text(NFTA_CHAIN_TYPE, "nat");
    });
    batch.rule(|rule| {
        rule.protocol(libc::IPPROTO_TCP);
        rule.not_loopback();
        rule.redirect(port);
    });
    batch.rule(|rule| {
        rule.protocol(libc::IPPROTO_UDP);
        rule.not_loopback();
        rule.compare(NFT_PAYLOAD_TRANSPORT_HEADER, 2, NFT_CMP_EQ, &NAMES.to_be_bytes());
        rule.redirect(NAMES);
    });
    batch.control(libc::NFNL_MSG_BATCH_END);
    talk(Some(netlink::NETFILTER), &batch.bytes, 4)
}

/// Everything goes by the loopback interface, from its own address.
fn route() -> io::Result<()> {
    let mut message = Message::begin(libc::RTM_NEWROUTE, libc::NLM_F_CREATE);
    let family = u8::try_from(libc::AF_INET).unwrap_or_default();
    let (table, protocol, scope, kind) =
        (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_LINK, libc::RTN_UNICAST);
    message.bytes.extend([family, 0, 0, 0, table, protocol, scope, kind, 0, 0, 0, 0]);
    message.attribute(libc::RTA_OIF, &LOOPBACK.to_ne_bytes());
    message.attribute(libc::RTA_PREFSRC, &Ipv4Addr::LOCALHOST.octets());
    // The protocol of routes is the first one.
    talk(None, &message.end(), 1)
}

/// Sends messages and reads so many acknowledgements.
fn talk(family: Option<Protocol>, messages: &[u8], mut answers: usize) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, family)?;
    send(&socket, messages, SendFlags::empty())?;
    let mut buffer = [0; MAX_ANSWER];
    while answers > 0 {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((kind, body, after)) = answer(rest) {
            rest = after;
            if i32::from(kind) != libc::NLMSG_ERROR {
                continue;
            }
            let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            if code != 0 {
                return Err(io::Error::from_raw_os_error(-code));
            }
            answers = answers.saturating_sub(1);
        }
    }
    Ok(())
}

/// The first message: its type, its body, and what follows it.
fn answer(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?);
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let length = usize::try_from(length).ok()?;
    let after = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, bytes.get(16..length)?, after))
}

/// A netlink message that is being written.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn begin(kind: u16, flags: i32) -> Self {
        let flags = u16::try_from(flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK).unwrap_or_default();
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Message { bytes }
    }

    /// With its length, which comes first.
    fn end(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or_default();
        self.bytes.splice(..4, length.to_ne_bytes());
        self.bytes
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or_default();
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message { bytes: Vec::new() };
        fill(&mut inner);
        let nested = u16::try_from(libc::NLA_F_NESTED).unwrap_or_default();
        self.attribute(kind | nested, &inner.bytes);
    }

    fn text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, &[text.as_bytes(), b"\0"].concat());
    }

    /// nf_tables has its numbers in network order.
    fn number(&mut self, kind: u16, number: u32) {
        self.attribute(kind, &number.to_be_bytes());
    }

    /// One step of a rule.
    fn step(&mut self, name: &str, fill: impl FnOnce(&mut Message)) {
        self.nest(NFTA_LIST_ELEM, |element| {
            element.text(NFTA_EXPR_NAME, name);
            element.nest(NFTA_EXPR_DATA, fill);
        });
    }

    /// Goes on where what the register holds compares so.
    fn value(&mut self, compare: u32, value: &[u8]) {
        self.step("cmp", |step| {
            step.number(1, NFT_REG_1);
            step.number(2, compare);
            step.nest(3, |data| data.attribute(1, value));
        });
    }

    /// Goes on for one protocol above IP.
    fn protocol(&mut self, protocol: i32) {
        self.step("meta", |step| {
            step.number(1, NFT_REG_1);
            step.number(2, NFT_META_L4PROTO);
        });
        self.value(NFT_CMP_EQ, &[u8::try_from(protocol).unwrap_or_default()]);
    }

    /// Goes on where a header's bytes, from an offset on, compare so.
    fn compare(&mut self, header: u32, offset: u32, compare: u32, value: &[u8]) {
        self.step("payload", |step| {
            step.number(1, NFT_REG_1);
            step.number(2, header);
            step.number(3, offset);
            step.number(4, u32::try_from(value.len()).unwrap_or_default());
        });
        self.value(compare, value);
    }

    /// Goes on for destinations outside 127.0.0.0/8.
    fn not_loopback(&mut self) {
        self.compare(NFT_PAYLOAD_NETWORK_HEADER, 16, NFT_CMP_NEQ, &[127]);
    }

    /// Turns to a port of this machine.
    fn redirect(&mut self, port: u16) {
        self.step("immediate", |step| {
            step.number(1, NFT_REG_1);
            step.nest(2, |data| data.attribute(1, &port.to_be_bytes()));
        });
        self.step("redir", |step| step.number(1, NFT_REG_1));
    }
}

/// Messages to nf_tables that take effect together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
}

impl Batch {
    /// The batch's own begin and end, which are not acknowledged.
    fn control(&mut self, kind: i32) {
        let mut message = Message::begin(u16::try_from(kind).unwrap_or_default(), 0);
        let flags = u16::try_from(libc::NLM_F_REQUEST).unwrap_or_default();
        message.bytes.splice(6..8, flags.to_ne_bytes());
        let system = u16::try_from(libc::NFNL_SUBSYS_NFTABLES).unwrap_or_default();
        message.bytes.extend([0, 0]);
        message.bytes.extend(system.to_be_bytes());
        self.bytes.extend(message.end());
    }

    fn message(&mut self, kind: i32, fill: impl FnOnce(&mut Message)) {
        let kind = u16::try_from((libc::NFNL_SUBSYS_NFTABLES << 8) | kind).unwrap_or_default();
        let mut message = Message::begin(kind, libc::NLM_F_CREATE | libc::NLM_F_APPEND);
        let family = u8::try_from(libc::AF_INET).unwrap_or_default();
        message.bytes.extend([family, 0, 0, 0]);
        fill(&mut message);
        self.bytes.extend(message.end());
    }

    fn rule(&mut self, fill: impl FnOnce(&mut Message)) {
        self.message(libc::NFT_MSG_NEWRULE, |message| {
            message.text(1, "ropeway");
            message.text(2, "out");
            message.nest(NFTA_RULE_EXPRESSIONS, fill);
        });
    }
}
