//! How processes find each other, and how they notice that one is gone.
//!
//! Between any two processes there are two connections. One carries timely's data. The other is a
//! watch: both say every second that they are still there, and at last how they ended. timely itself
//! is fail-stop and says nothing about who failed; the watch does, also if a process is stopped or
//! its machine is switched off, where no connection ends by itself.
//!
//! Each connection begins with a greeting, in which both say what they are about to check. Processes
//! that do not agree do not start.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use timely::communication::allocator::zero_copy::stream::Stream;

use crate::alarm::{Alarm, Trouble};
use crate::search::Error;

/// What a greeting starts with; the number is the protocol's.
const MAGIC: &[u8; 8] = b"glock 1\n";

/// The longest greeting, in bytes.
const MAX_GREETING: u32 = 1 << 16;

/// How long to wait for a greeting once there is a connection.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// How often a process says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long a process may say nothing before it counts as lost.
const SILENCE: Duration = Duration::from_secs(15);

/// Between two looks at something that is awaited.
const POLL: Duration = Duration::from_millis(10);

/// One of several processes that share a search.
#[derive(Clone, Debug)]
pub struct Processes {
    /// Where each process listens, as `host:port`, the same list for all of them.
    pub addresses: Vec<String>,
    /// Which one this is, from 0.
    pub process: usize,
    /// Workers in each process, at least 1.
    pub workers: usize,
    /// What they have to agree on before they start, each with the name it has in an error: the
    /// program, what is to be checked, and how.
    pub agreement: Vec<(String, String)>,
    /// How long to wait for all of them at the start.
    pub patience: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Data,
    Watch,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Greeting {
    process: usize,
    processes: usize,
    workers: usize,
    role: Role,
    agreement: Vec<(String, String)>,
}

/// The connections to one other process.
#[derive(Default)]
struct Pair {
    data: Option<TcpStream>,
    watch: Option<TcpStream>,
}

impl Pair {
    fn of(&mut self, role: Role) -> &mut Option<TcpStream> {
        match role {
            Role::Data => &mut self.data,
            Role::Watch => &mut self.watch,
        }
    }
}

impl Processes {
    fn greeting(&self, role: Role) -> Greeting {
        Greeting {
            process: self.process,
            processes: self.addresses.len(),
            workers: self.workers,
            role,
            agreement: self.agreement.clone(),
        }
    }

    /// Connects all processes: for each of them, but this one, the data's connection, and the
    /// watches.
    ///
    /// # Errors
    ///
    /// If one does not come in time, or is about something else.
    pub(crate) fn connect(
        &self,
        alarm: &Arc<Alarm>,
    ) -> Result<(Vec<Option<Socket>>, Lines), Error> {
        let here = &self.addresses[self.process];
        let cannot_listen = |why: io::Error| Error::Listen {
            address: here.clone(),
            reason: why.to_string(),
        };
        let listener = TcpListener::bind(here).map_err(cannot_listen)?;
        listener.set_nonblocking(true).map_err(cannot_listen)?;
        let mut pairs: Vec<Pair> = self.addresses.iter().map(|_| Pair::default()).collect();
        let deadline = Instant::now() + self.patience;
        loop {
            self.accept(&listener, &mut pairs)?;
            self.call(&mut pairs)?;
            let missing = |(other, pair): (usize, &Pair)| {
                let there = pair.data.is_some() && pair.watch.is_some();
                (other != self.process && !there).then_some(other)
            };
            let Some(process) = pairs.iter().enumerate().find_map(missing) else {
                break;
            };
            if Instant::now() >= deadline {
                return Err(Error::Absent {
                    process,
                    address: self.addresses[process].clone(),
                    seconds: self.patience.as_secs(),
                });
            }
            thread::sleep(POLL);
        }
        let sent = Arc::new(AtomicU64::new(0));
        let socket = |stream| Socket {
            stream,
            sent: Arc::clone(&sent),
            frames: Frames::default(),
        };
        let (data, watches): (Vec<_>, Vec<_>) = pairs
            .into_iter()
            .map(|pair| (pair.data.map(socket), pair.watch))
            .unzip();
        Ok((data, Lines::new(watches, alarm, sent)?))
    }

    /// Takes the calls of processes with higher numbers.
    fn accept(&self, listener: &TcpListener, pairs: &mut [Pair]) -> Result<(), Error> {
        while let Ok((stream, _)) = listener.accept() {
            // Whoever does not greet properly is none of ours.
            if stream.set_nonblocking(false).is_err() {
                continue;
            }
            let Ok((greeting, stream)) = hear(stream) else {
                continue;
            };
            let Ok(stream) = greet(stream, &self.greeting(greeting.role)) else {
                continue;
            };
            self.take(greeting, stream, pairs)?;
        }
        Ok(())
    }

    /// Calls the processes with lower numbers that are missing.
    fn call(&self, pairs: &mut [Pair]) -> Result<(), Error> {
        for process in 0..self.process {
            for role in [Role::Data, Role::Watch] {
                if pairs[process].of(role).is_some() {
                    continue;
                }
                let called = call(&self.addresses[process])
                    .and_then(|stream| greet(stream, &self.greeting(role)))
                    .and_then(hear);
                if let Ok((greeting, stream)) = called {
                    let expected = greeting.process == process && greeting.role == role;
                    if !expected {
                        return Err(Error::Elsewhere {
                            address: self.addresses[process].clone(),
                            process,
                            other: greeting.process,
                        });
                    }
                    self.take(greeting, stream, pairs)?;
                }
            }
        }
        Ok(())
    }

    fn take(&self, greeting: Greeting, stream: TcpStream, pairs: &mut [Pair]) -> Result<(), Error> {
        let Greeting {
            process,
            processes,
            workers,
            role,
            agreement,
        } = greeting;
        let disagree = |what: &str, here: String, there: String| {
            Err(Error::Disagreement {
                process,
                what: what.to_owned(),
                here,
                there,
            })
        };
        if processes != self.addresses.len() {
            let (here, there) = (self.addresses.len().to_string(), processes.to_string());
            return disagree("number of processes", here, there);
        }
        if workers != self.workers {
            let (here, there) = (self.workers.to_string(), workers.to_string());
            return disagree("number of workers", here, there);
        }
        let lacks = ("none".to_owned(), "none".to_owned());
        for at in 0..agreement.len().max(self.agreement.len()) {
            let here = self.agreement.get(at).unwrap_or(&lacks);
            let there = agreement.get(at).unwrap_or(&lacks);
            if here != there {
                return disagree(&here.0, here.1.clone(), there.1.clone());
            }
        }
        if process == self.process || process >= pairs.len() {
            return Err(Error::Twice { process });
        }
        match pairs[process].of(role).replace(stream) {
            None => Ok(()),
            Some(_) => Err(Error::Twice { process }),
        }
    }
}

fn call(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, GREETING_TIME) {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn greet(mut stream: TcpStream, greeting: &Greeting) -> io::Result<TcpStream> {
    let text = serde_json::to_vec(greeting)?;
    stream.set_nodelay(true)?;
    stream.write_all(MAGIC)?;
    stream.write_all(&(text.len() as u32).to_le_bytes())?;
    stream.write_all(&text)?;
    Ok(stream)
}

fn hear(mut stream: TcpStream) -> io::Result<(Greeting, TcpStream)> {
    stream.set_read_timeout(Some(GREETING_TIME))?;
    let mut magic = [0; MAGIC.len()];
    let mut length = [0; 4];
    stream.read_exact(&mut magic)?;
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if magic != *MAGIC || length > MAX_GREETING {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    stream.set_read_timeout(None)?;
    Ok((serde_json::from_slice(&text)?, stream))
}

/// Where in timely's messages a stream of bytes is.
struct Frames {
    header: [u8; Self::HEADER],
    /// Bytes of the header that are there.
    have: usize,
    /// Bytes of the message that are not.
    left: usize,
    /// The last message has come, which has no length.
    ended: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            header: [0; Self::HEADER],
            have: 0,
            left: 0,
            ended: false,
        }
    }
}

impl Frames {
    /// Six big-endian numbers of 64 bits; the fifth is the length of what follows.
    const HEADER: usize = 48;
    const LENGTH: std::ops::Range<usize> = 32..40;

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(Self::HEADER - self.have);
            self.header[self.have..][..taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == Self::HEADER {
                let length = self.header[Self::LENGTH].try_into().expect("eight bytes");
                self.left = u64::from_be_bytes(length) as usize;
                self.ended |= self.left == 0;
                self.have = 0;
            }
        }
    }
}

/// A connection for timely's data. Where it ends before its time it is the watch that says so, and
/// timely, which would panic, is left waiting.
pub(crate) struct Socket {
    stream: TcpStream,
    sent: Arc<AtomicU64>,
    frames: Frames,
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(bytes) {
            Ok(count) if count > 0 => {
                self.frames.advance(&bytes[..count]);
                Ok(count)
            }
            _ if self.frames.ended => Ok(0),
            _ => loop {
                // Nobody waits for this thread.
                thread::park();
            },
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(bytes).unwrap_or(bytes.len());
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            stream: self.stream.try_clone()?,
            sent: Arc::clone(&self.sent),
            frames: Frames::default(),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        // The other side may be gone already.
        let _ = self.stream.shutdown(how);
        Ok(())
    }
}

/// How a process ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Farewell {
    /// As it should.
    Done,
    /// Because this one was lost.
    Lost(usize),
    /// Because of something else.
    GaveUp(String),
}

/// What goes over a watch: that all is well, or a farewell and its length.
const WELL: u8 = b'.';
const FAREWELL: u8 = b'!';

/// The watches over all other processes.
pub(crate) struct Lines {
    watches: Arc<Vec<Option<TcpStream>>>,
    alarm: Arc<Alarm>,
    sent: Arc<AtomicU64>,
}

impl Lines {
    fn new(
        watches: Vec<Option<TcpStream>>,
        alarm: &Arc<Alarm>,
        sent: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let threads = |why: io::Error| glock_engine::Error::Threads {
            threads: watches.len(),
            reason: why.to_string(),
        };
        for (process, watch) in watches.iter().enumerate() {
            if let Some(watch) = watch {
                let watch = watch.try_clone().map_err(threads)?;
                watch.set_read_timeout(Some(SILENCE)).map_err(threads)?;
                watch.set_write_timeout(Some(SILENCE)).map_err(threads)?;
                let alarm = Arc::clone(alarm);
                thread::Builder::new()
                    .name(format!("watch {process}"))
                    .spawn(move || look_after(process, watch, &alarm))
                    .map_err(threads)?;
            }
        }
        let watches = Arc::new(watches);
        let (beaten, quiet) = (Arc::clone(&watches), Arc::clone(alarm));
        thread::Builder::new()
            .name("beat".to_owned())
            .spawn(move || {
                while !quiet.is_closing() {
                    for mut watch in beaten.iter().flatten() {
                        let _ = watch.write_all(&[WELL]);
                    }
                    thread::sleep(BEAT);
                }
            })
            .map_err(|why| glock_engine::Error::Threads {
                threads: watches.len(),
                reason: why.to_string(),
            })?;
        Ok(Self {
            watches,
            alarm: Arc::clone(alarm),
            sent,
        })
    }

    /// Bytes of data that were sent to other processes.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Tells the others how this process ended.
    pub(crate) fn close(self, farewell: &Farewell) {
        self.alarm.close();
        let text = serde_json::to_vec(farewell).expect("a farewell is plain data");
        let mut message = vec![FAREWELL];
        message.extend((text.len() as u32).to_le_bytes());
        message.extend(text);
        for mut watch in self.watches.iter().flatten() {
            let _ = watch.write_all(&message);
            let _ = watch.shutdown(Shutdown::Write);
        }
    }
}

/// Reads what another process has to say, until it ends or is silent for too long.
fn look_after(process: usize, mut watch: TcpStream, alarm: &Alarm) {
    loop {
        let mut what = [0];
        let heard = watch.read_exact(&mut what);
        if let (Ok(()), [WELL]) = (&heard, what) {
            continue;
        }
        let farewell = heard.and_then(|()| {
            let mut length = [0; 4];
            watch.read_exact(&mut length)?;
            let mut text = vec![0; u32::from_le_bytes(length).min(MAX_GREETING) as usize];
            watch.read_exact(&mut text)?;
            Ok(serde_json::from_slice(&text)?)
        });
        match farewell {
            Ok(Farewell::Done) => {}
            Ok(Farewell::Lost(process)) => alarm.raise(Trouble::Lost { process }),
            Ok(Farewell::GaveUp(reason)) => alarm.raise(Trouble::GaveUp { process, reason }),
            Err(_) if alarm.is_closing() => {}
            Err(_) => alarm.raise(Trouble::Lost { process }),
        }
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_ended_after_an_empty_message_however_it_is_cut() {
        let message = |length: u64| {
            let mut bytes = vec![0; Frames::HEADER];
            bytes[Frames::LENGTH].copy_from_slice(&length.to_be_bytes());
            // What is in a message looks like the end.
            bytes.extend(vec![0; length as usize]);
            bytes
        };
        let stream = [message(96), message(8), message(0)].concat();
        for cut in 1..stream.len() {
            let mut frames = Frames::default();
            for piece in stream[..stream.len() - 1].chunks(cut) {
                frames.advance(piece);
                assert!(!frames.ended, "cut every {cut}");
            }
            frames.advance(&stream[stream.len() - 1..]);
            assert!(frames.ended, "cut every {cut}");
        }
    }
}
