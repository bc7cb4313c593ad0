//! The simulated world: one dialer, one relay with its acceptors, a network with moods, a clock for each.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    reason = "a test's own module"
)]

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, fmt, time::Duration};
use tunnel::machine::{
    Acceptor, AcceptorAction, AcceptorEvent, AcceptorState, ConnectionId, Dialer, DialerAction, DialerEvent,
    DialerState, Report, Timing,
};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection breaks and both ends are told.
    Cut,
    /// Client to relay: nothing arrives, nobody is told.
    DeafRelay,
    /// Relay to client: the same.
    DeafClient,
    /// Both ways.
    Silence,
    /// Loss: TCP retransmits, so everything on the way is late.
    Stall,
    /// From now on everything takes this much longer.
    Slow,
    /// The client's clock leaps forward, nothing else moves (a suspended machine).
    Jump,
    /// The client's clock goes back: it should not, but it may not hurt.
    JumpBack,
    /// The relay dies and comes back some seconds later.
    Restart,
    /// The relay asks its client to go.
    Drain,
    /// The relay refuses whoever says hello, until healed.
    Refuse,
}

#[derive(Clone, Debug)]
enum Packet {
    Syn,
    SynAck,
    Hello,
    Welcome,
    Refused,
    Ping,
    Pong,
    Drain(Duration),
    Goodbye,
    /// The other end closed or reset the connection.
    Fin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Client,
    Relay,
}

pub struct World {
    rng: StdRng,
    timing: Timing,
    now: Duration,
    /// How far the client's clock is ahead (or, modulo, behind).
    client_ahead: i64,
    dialer: Dialer,
    acceptors: BTreeMap<ConnectionId, Acceptor>,
    /// Drained connections that still finish their streams at the client.
    lingering: BTreeMap<ConnectionId, Duration>,
    /// In order of arrival; equal times keep the order of sending.
    flying: BTreeMap<(Duration, u64), (To, ConnectionId, Packet)>,
    /// TCP keeps order: nothing of a connection arrives before what was sent earlier.
    last_arrival: BTreeMap<(u8, ConnectionId), Duration>,
    sent: u64,
    deaf_relay: bool,
    deaf_client: bool,
    refuses: bool,
    relay_up_at: Duration,
    delay: Duration,
    stalled_until: Duration,
    dialer_due: Option<Duration>,
    acceptor_due: BTreeMap<ConnectionId, Duration>,
    pub dials: u32,
    pub was_refused: bool,
    pub pings: u32,
    last_ping: BTreeMap<(u8, ConnectionId), Duration>,
    jumped_at: Duration,
    waits: Vec<(Duration, Duration)>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("dialer", &self.dialer)
            .field("acceptors", &self.acceptors)
            .field("flying", &self.flying)
            .field("deaf", &(self.deaf_relay, self.deaf_client))
            .field("last waits", &self.waits.iter().rev().take(5).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let timing = Timing::default();
        let mut rng = StdRng::seed_from_u64(seed);
        // Any start will do for a monotonic clock.
        let client_ahead = rng.random_range(0..1_000_000_000_000);
        let mut world = World {
            dialer: Dialer::new(Duration::from_nanos(client_ahead as u64), timing.clone()),
            delay: Duration::from_millis(rng.random_range(1..200)),
            rng,
            timing,
            now: Duration::ZERO,
            client_ahead,
            acceptors: BTreeMap::new(),
            lingering: BTreeMap::new(),
            flying: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            sent: 0,
            deaf_relay: false,
            deaf_client: false,
            refuses: false,
            relay_up_at: Duration::ZERO,
            stalled_until: Duration::ZERO,
            dialer_due: None,
            acceptor_due: BTreeMap::new(),
            dials: 0,
            was_refused: false,
            pings: 0,
            last_ping: BTreeMap::new(),
            jumped_at: Duration::ZERO,
            waits: Vec::new(),
        };
        world.tell_dialer(DialerEvent::Start);
        world
    }

    pub fn draw(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.rng.clone().random_range(low * 1000..=high * 1000))
    }

    pub fn connection(&self) -> ConnectionId {
        self.dialer.current()
    }

    pub fn both_online(&self) -> bool {
        let here = self.dialer.state() == DialerState::Online;
        here && self.acceptors.get(&self.connection()).is_some_and(|a| a.state() == AcceptorState::Online)
    }

    pub fn dialer_holds(&self, id: ConnectionId) -> bool {
        self.dialer.current() == id && self.dialer.state() == DialerState::Online
    }

    pub fn acceptor_holds(&self, id: ConnectionId) -> bool {
        self.acceptors.get(&id).is_some_and(|a| !matches!(a.state(), AcceptorState::Closed(_)))
    }

    pub fn close(&mut self) {
        self.tell_dialer(DialerEvent::Close);
        assert_eq!((self.dialer.state(), self.dialer.wait()), (DialerState::Closed, None));
    }

    pub fn connections_at_relay(&self) -> usize {
        self.acceptors.len()
    }

    pub fn run_troubles(&mut self, count: u32) {
        use Trouble::*;
        let all = [Cut, DeafRelay, DeafClient, Silence, Stall, Slow, Jump, JumpBack, Restart, Drain, Refuse];
        for _ in 0..count {
            let pause = match self.rng.random_range(0..3) {
                0 => Duration::from_millis(self.rng.random_range(0..1500)),
                1 => Duration::from_millis(self.rng.random_range(0..30_000)),
                _ => Duration::from_millis(self.rng.random_range(0..150_000)),
            };
            self.run(pause);
            let trouble = all[self.rng.random_range(0..all.len())];
            self.make(trouble);
            // Most networks heal by themselves now and then; some troubles pile up.
            if self.rng.random_bool(0.4) {
                self.heal();
            }
        }
    }

    pub fn heal(&mut self) {
        (self.deaf_relay, self.deaf_client, self.refuses) = (false, false, false);
        self.delay = Duration::from_millis(self.rng.random_range(1..200));
        self.stalled_until = self.now;
        self.relay_up_at = self.relay_up_at.min(self.now);
    }

    pub fn make(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Cut => self.cut(true),
            Trouble::DeafRelay => self.deaf_relay = true,
            Trouble::DeafClient => self.deaf_client = true,
            Trouble::Silence => (self.deaf_relay, self.deaf_client) = (true, true),
            Trouble::Stall => {
                self.stalled_until = self.now + Duration::from_millis(self.rng.random_range(0..20_000))
            }
            Trouble::Slow => self.delay = Duration::from_millis(self.rng.random_range(1..4000)),
            Trouble::Jump => {
                self.client_ahead += self.rng.random_range(60_000..100_000_000) * 1_000_000;
                self.jumped_at = self.now;
                self.tell_dialer(DialerEvent::Tick);
            }
            Trouble::JumpBack => {
                let now = self.client_now().as_nanos() as i64;
                self.client_ahead -= self.rng.random_range(0..=now.min(100_000_000_000_000));
                self.tell_dialer(DialerEvent::Tick);
            }
            Trouble::Restart => {
                self.relay_up_at = self.now + Duration::from_millis(self.rng.random_range(0..5000));
                self.cut(false);
            }
            Trouble::Drain => {
                let ids: Vec<_> = self.acceptors.keys().copied().collect();
                for id in ids {
                    self.tell_acceptor(id, AcceptorEvent::Drain(Duration::from_secs(4)));
                }
            }
            Trouble::Refuse => self.refuses = true,
        }
    }

    /// All connections break; the client hears of it, and the relay too unless it is what died.
    fn cut(&mut self, relay_lives: bool) {
        self.flying.clear();
        let ids: Vec<_> = self.acceptors.keys().copied().collect();
        for id in ids {
            if relay_lives {
                self.tell_acceptor(id, AcceptorEvent::Lost);
            } else {
                self.acceptors.remove(&id);
                self.acceptor_due.remove(&id);
            }
            self.lingering.remove(&id);
        }
        self.tell_dialer(DialerEvent::Lost(self.connection(), "cut".to_owned()));
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
    }

    pub fn run_until_online(&mut self, within: Duration) -> bool {
        let end = self.now + within;
        while !self.both_online() {
            if !self.step(end) {
                return self.both_online();
            }
        }
        true
    }

    /// Does the next thing that happens before `end`; false when time is up.
    fn step(&mut self, end: Duration) -> bool {
        let packet = self.flying.keys().next().map(|(at, _)| *at);
        let acceptor = self.acceptor_due.iter().min_by_key(|(_, at)| **at).map(|(id, at)| (*at, *id));
        let linger = self.lingering.iter().min_by_key(|(_, at)| **at).map(|(id, at)| (*at, *id));
        let next = [packet, acceptor.map(|(at, _)| at), linger.map(|(at, _)| at), self.dialer_due];
        let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(at);
        if packet == Some(at) {
            let (_, (to, id, packet)) = self.flying.pop_first().expect("it was just seen");
            self.arrive(to, id, packet);
        } else if self.dialer_due == Some(at) {
            self.tell_dialer(DialerEvent::Tick);
        } else if let Some((_, id)) = acceptor.filter(|(due, _)| *due == at) {
            self.tell_acceptor(id, AcceptorEvent::Tick);
        } else if let Some((_, id)) = linger {
            self.lingering.remove(&id);
            self.send(To::Relay, id, Packet::Goodbye);
            self.send(To::Relay, id, Packet::Fin);
        }
        self.check();
        true
    }

    fn arrive(&mut self, to: To, id: ConnectionId, packet: Packet) {
        match to {
            To::Client => self.arrive_at_client(id, packet),
            To::Relay => self.arrive_at_relay(id, packet),
        }
    }

    fn arrive_at_client(&mut self, id: ConnectionId, packet: Packet) {
        if self.lingering.contains_key(&id) {
            if matches!(packet, Packet::Fin | Packet::Goodbye) {
                self.lingering.remove(&id);
            }
            return;
        }
        let holds = matches!(
            self.dialer.state(),
            DialerState::Dialing | DialerState::Authenticating | DialerState::Online
        );
        if id != self.dialer.current() || !holds {
            // A system that knows no such connection answers with a reset.
            if !matches!(packet, Packet::Fin) {
                self.send(To::Relay, id, Packet::Fin);
            }
            return;
        }
        let heard = self.client_now();
        self.tell_dialer(DialerEvent::Heard(id, heard));
        match packet {
            Packet::SynAck => {
                self.tell_dialer(DialerEvent::Connected(id));
                self.send(To::Relay, id, Packet::Hello);
            }
            Packet::Welcome => self.tell_dialer(DialerEvent::Welcomed(id)),
            Packet::Refused => self.tell_dialer(DialerEvent::Refused(id, "no".to_owned(), false)),
            Packet::Ping => self.send(To::Relay, id, Packet::Pong),
            Packet::Drain(within) => self.tell_dialer(DialerEvent::Drain(id, within)),
            Packet::Goodbye | Packet::Fin => self.tell_dialer(DialerEvent::Lost(id, "closed".to_owned())),
            Packet::Pong | Packet::Syn | Packet::Hello => {}
        }
    }

    fn arrive_at_relay(&mut self, id: ConnectionId, packet: Packet) {
        if self.now < self.relay_up_at {
            return self.send(To::Client, id, Packet::Fin);
        }
        if let Packet::Syn = packet {
            self.acceptors.insert(id, Acceptor::new(self.now, &self.timing));
            self.tell_acceptor(id, AcceptorEvent::Heard(self.now));
            return self.send(To::Client, id, Packet::SynAck);
        }
        if !self.acceptor_holds(id) {
            // A system that knows no such connection answers with a reset.
            if !matches!(packet, Packet::Fin) {
                self.send(To::Client, id, Packet::Fin);
            }
            return;
        }
        self.tell_acceptor(id, AcceptorEvent::Heard(self.now));
        match packet {
            Packet::Hello if self.refuses => {
                self.send(To::Client, id, Packet::Refused);
                self.tell_acceptor(id, AcceptorEvent::Lost);
            }
            Packet::Hello => {
                self.tell_acceptor(id, AcceptorEvent::Authenticated);
                self.send(To::Client, id, Packet::Welcome);
            }
            Packet::Ping => self.send(To::Client, id, Packet::Pong),
            Packet::Goodbye => self.tell_acceptor(id, AcceptorEvent::Goodbye),
            Packet::Fin => self.tell_acceptor(id, AcceptorEvent::Lost),
            _ => {}
        }
    }

    fn send(&mut self, to: To, id: ConnectionId, packet: Packet) {
        let deaf = match to {
            To::Client => self.deaf_client,
            To::Relay => self.deaf_relay,
        };
        if deaf {
            return;
        }
        let jitter = Duration::from_millis(self.rng.random_range(0..20));
        let arrival = (self.now.max(self.stalled_until)) + self.delay + jitter;
        let last = self.last_arrival.entry((to as u8, id)).or_default();
        *last = arrival.max(*last);
        self.sent += 1;
        self.flying.insert((*last, self.sent), (to, id, packet));
    }

    fn client_now(&self) -> Duration {
        Duration::from_nanos((self.now.as_nanos() as i64 + self.client_ahead) as u64)
    }

    fn tell_dialer(&mut self, event: DialerEvent) {
        let at = self.client_now();
        let actions = self.dialer.handle(at, event, &mut self.rng);
        for action in actions {
            match action {
                DialerAction::Dial(id) => {
                    self.dials += 1;
                    self.send(To::Relay, id, Packet::Syn);
                }
                DialerAction::Drop(id) => self.send(To::Relay, id, Packet::Fin),
                DialerAction::Ping(id) => self.ping(To::Relay, id),
                DialerAction::Linger(id, within) => {
                    // Its streams take a while, or longer than allowed.
                    let streams = Duration::from_millis(self.rng.random_range(0..6000));
                    self.lingering.insert(id, self.now + streams.min(within));
                }
                DialerAction::Goodbye(id) => self.send(To::Relay, id, Packet::Goodbye),
                DialerAction::Report(Report::Waiting(wait, _)) => {
                    assert!(wait <= self.timing.backoff_cap, "waits {wait:?} after a failure");
                    assert!(wait >= self.timing.backoff_base / 10, "hardly waits: {wait:?}");
                    self.waits.push((self.now, wait));
                }
                DialerAction::Report(Report::Refused(wait, _)) => {
                    self.was_refused = true;
                    assert!(
                        wait <= self.timing.refused_cap && wait >= self.timing.refused_base / 2,
                        "{wait:?}"
                    );
                    self.waits.push((self.now, wait));
                }
                DialerAction::Report(_) => {}
            }
        }
        self.dialer_due = self.dialer.wait().map(|wait| self.now + wait);
    }

    fn tell_acceptor(&mut self, id: ConnectionId, event: AcceptorEvent) {
        let Some(acceptor) = self.acceptors.get_mut(&id) else { return };
        let action = acceptor.handle(self.now, event, &self.timing, &mut self.rng);
        match acceptor.wait() {
            Some(wait) => self.acceptor_due.insert(id, self.now + wait),
            None => self.acceptor_due.remove(&id),
        };
        match action {
            None => {}
            Some(AcceptorAction::Ping) => self.ping(To::Client, id),
            Some(AcceptorAction::SendDrain(within)) => self.send(To::Client, id, Packet::Drain(within)),
            Some(AcceptorAction::SendGoodbye) => self.send(To::Client, id, Packet::Goodbye),
            Some(AcceptorAction::Drop) => self.send(To::Client, id, Packet::Fin),
        }
        if !self.acceptor_holds(id) {
            self.acceptors.remove(&id);
            self.acceptor_due.remove(&id);
        }
    }

    fn ping(&mut self, to: To, id: ConnectionId) {
        self.pings += 1;
        // A ping storm would be pings closer together than the schedule allows; a leap of the clock excuses one.
        let last = self.last_ping.insert((to as u8, id), self.now);
        if let Some(last) = last.filter(|last| self.jumped_at < *last) {
            assert!(self.now - last >= Duration::from_secs(19), "pings only {:?} apart", self.now - last);
        }
        self.send(to, id, Packet::Ping);
    }

    /// What must hold at every moment.
    fn check(&self) {
        let id = self.dialer.current();
        let live = !matches!(self.dialer.state(), DialerState::Draining | DialerState::Closed);
        assert!(!(live && self.lingering.contains_key(&id)), "two live connections");
        // Something always wakes a dialer that lives, and in time.
        let due = self.dialer.wait();
        let idle = matches!(self.dialer.state(), DialerState::Idle | DialerState::Closed);
        assert!(due.is_some() != idle, "nothing would ever wake it: {self:?}");
        let longest = self.timing.refused_cap.max(self.timing.dead_after);
        assert!(due.is_none_or(|wait| wait <= longest), "sleeps too long: {self:?}");
        for acceptor in self.acceptors.values() {
            let closed = matches!(acceptor.state(), AcceptorState::Closed(_));
            assert!(closed || acceptor.wait().is_some_and(|wait| wait <= self.timing.dead_after), "{self:?}");
        }
    }
}
