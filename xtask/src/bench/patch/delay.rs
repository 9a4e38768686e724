//! A proxy that makes a registry far away: every byte arrives half a round trip later, in both
//! directions, without a limit on bytes a second. Setting up a connection takes one round trip.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Chunks on their way in one direction: 16 MiB, more than 10 ms of any loopback.
const WINDOW: usize = 256;

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub(super) struct Delay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Delay {
    /// Starts one in front of `upstream`.
    pub(super) fn start(upstream: SocketAddr, round_trip: Duration) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(format!("delaying proxy: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A client that went away sees to itself.
                let _ = client.and_then(|client| connect(&client, upstream, round_trip));
            }
        });
        Ok(Self { address, stop })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn connect(client: &TcpStream, upstream: SocketAddr, round_trip: Duration) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let half = round_trip / 2;
    let connected = Instant::now() + round_trip;
    pump(client.try_clone()?, server.try_clone()?, half, connected + half);
    pump(server, client.try_clone()?, half, connected);
    Ok(())
}

/// Passes on what comes, `delay` later and not before `first`.
fn pump(mut from: TcpStream, mut to: TcpStream, delay: Duration, first: Instant) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(WINDOW);
    thread::spawn(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = from.read(&mut chunk).unwrap_or(0);
            chunk.truncate(read);
            // An empty chunk is the end.
            if sender.send(((Instant::now() + delay).max(first), chunk)).is_err() || read == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, chunk) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if chunk.is_empty() || to.write_all(&chunk).is_err() {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_take_longer_and_bytes_stay() {
        let round_trip = Duration::from_millis(40);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let upstream = listener.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut all = Vec::new();
            let mut buffer = [0; 4];
            stream.read_exact(&mut buffer).unwrap();
            stream.write_all(&buffer).unwrap();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        });
        let proxy = Delay::start(upstream, round_trip).unwrap();
        let begin = Instant::now();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(b"ping").unwrap();
        let mut back = [0; 4];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
        assert!(begin.elapsed() >= 2 * round_trip, "connecting and asking: {:?}", begin.elapsed());
        let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let begin = Instant::now();
        let mut received = Vec::new();
        thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            let sent = &sent;
            scope.spawn(move || {
                writer.write_all(sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            client.read_to_end(&mut received).unwrap();
        });
        assert!(received == sent);
        assert!(begin.elapsed() >= round_trip, "{:?}", begin.elapsed());
        echo.join().unwrap();
    }
}
