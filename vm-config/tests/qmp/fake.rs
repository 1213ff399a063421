//! A monitor with a small machine behind it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What the monitor does instead of what QEMU does.
#[derive(Debug, Clone)]
pub enum Instead {
    /// Refuses with these words.
    Refuse(&'static str),
    /// Says these bytes and nothing else.
    Say(Vec<u8>),
    /// Says nothing and goes on listening.
    Nothing,
    /// Ends the connection.
    Close,
    /// Does it, after this many events.
    Flood(usize),
    /// Answers with something else.
    Return(Value),
}

/// What the machine has: memory by id, and devices by id with slot and memory.
#[derive(Debug, Default)]
pub struct Machine {
    pub memory: BTreeMap<String, Value>,
    pub devices: BTreeMap<String, (u64, String)>,
    /// The guest lets go of devices.
    pub ejects: bool,
    /// Every command, in order.
    pub asked: Vec<String>,
}

type Script = dyn Fn(&str, &Value) -> Option<Instead> + Send + Sync;

/// A machine `pc` with its monitor. Gone with the test.
pub struct Fake {
    folder: tempfile::TempDir,
    pub machine: Arc<Mutex<Machine>>,
    pub region: String,
}

/// What a run of the command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Fake {
    /// A monitor that behaves as QEMU's.
    pub fn honest() -> Self {
        Self::with(|_, _| None)
    }

    /// A monitor for which `script` says what it does instead, by command and arguments. The greeting is the command `hello`.
    pub fn with(script: impl Fn(&str, &Value) -> Option<Instead> + Send + Sync + 'static) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().expect("a folder can be made");
        let listener = UnixListener::bind(folder.path().join("qmp")).expect("it can listen");
        let machine = Arc::new(Mutex::new(Machine { ejects: true, ..Machine::default() }));
        let script: Arc<Script> = Arc::new(script);
        let shared = Arc::clone(&machine);
        // It ends with the test's process, asleep.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // One client at a time, as QEMU.
                serve(&stream, &shared, &*script);
            }
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { folder, machine, region: format!("fake-{}-{number}", std::process::id()) }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("qmp")
    }

    /// Runs `qmp COMMAND` for a region of 1 MiB; `more` comes last.
    pub fn run(&self, command: &str, more: &[&str]) -> Ran {
        let mut arguments = vec!["--name", self.region.as_str()];
        if command != "detach" {
            arguments.extend(["--size", "1M"]);
        }
        qmp(command, &self.socket(), &[&arguments, more].concat())
    }

    /// What is asked of the machine to change it, in order.
    pub fn changes(&self) -> Vec<String> {
        let changing = ["object-add", "device_add", "device_del", "object-del"];
        let machine = self.machine.lock().expect("nobody panics with it");
        machine.asked.iter().filter(|command| changing.contains(&command.as_str())).cloned().collect()
    }

    /// The machine has nothing of ours.
    pub fn assert_empty(&self) {
        let machine = self.machine.lock().expect("nobody panics with it");
        assert!(machine.memory.is_empty() && machine.devices.is_empty(), "{machine:?}");
    }
}

/// Runs `ivring-vm-config qmp COMMAND --socket SOCKET`.
pub fn qmp(command: &str, socket: &Path, more: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_ivring-vm-config"))
        .args(["qmp", command, "--socket"])
        .arg(socket)
        .args(more)
        .output()
        .expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Ran {
        code: output.status.code().expect("it ends"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn serve(stream: &UnixStream, machine: &Mutex<Machine>, script: &Script) {
    let mut out = stream;
    let greeting = json!({ "QMP": { "version": { "qemu": { "major": 7, "minor": 2, "micro": 22 } }, "capabilities": [] } });
    match script("hello", &Value::Null) {
        None => drop(writeln!(out, "{greeting}")),
        Some(Instead::Say(bytes)) => drop(out.write_all(&bytes)),
        Some(Instead::Close) => return,
        Some(_) => {}
    }
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Ok(request) = serde_json::from_str::<Value>(&line) else { return };
        let (command, arguments) = (request["execute"].as_str().unwrap_or_default(), &request["arguments"]);
        let mut machine = machine.lock().expect("nobody panics with it");
        machine.asked.push(command.to_owned());
        let mut events = Vec::new();
        let mut answer = || match machine.does(command, arguments, &mut events) {
            Ok(done) => json!({ "return": done, "id": request["id"] }),
            Err(why) => json!({ "error": { "class": "GenericError", "desc": why }, "id": request["id"] }),
        };
        let answer = match script(command, arguments) {
            None => answer(),
            Some(Instead::Refuse(why)) => {
                json!({ "error": { "class": "GenericError", "desc": why }, "id": request["id"] })
            }
            Some(Instead::Return(value)) => json!({ "return": value, "id": request["id"] }),
            Some(Instead::Flood(count)) => {
                let event = json!({ "event": "RTC_CHANGE", "data": { "offset": 1 } });
                let late = json!({ "return": {}, "id": "somebody-else" });
                for _ in 0..count {
                    if writeln!(out, "{event}\r\n{late}").is_err() {
                        return;
                    }
                }
                answer()
            }
            Some(Instead::Say(bytes)) => {
                let _ = out.write_all(&bytes);
                continue;
            }
            Some(Instead::Nothing) => continue,
            Some(Instead::Close) => return,
        };
        // QEMU says that a device is gone before or after the answer.
        for event in events {
            let _ = writeln!(out, "{event}");
        }
        if writeln!(out, "{answer}").is_err() {
            return;
        }
    }
}

impl Machine {
    /// What QEMU 7.2 answers to what is asked here, of a `pc` with a network card at slot 0x1f.
    fn does(&mut self, command: &str, arguments: &Value, events: &mut Vec<Value>) -> Result<Value, String> {
        let word = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        Ok(match command {
            "qom-list-types" => json!([{ "name": "ivshmem-plain" }, { "name": "e1000" }]),
            "query-chardev" => json!([{ "label": "compat_monitor0" }]),
            "query-status" => json!({ "running": false }),
            "query-memdev" => self.memory.values().cloned().collect(),
            "query-pci" => json!([{ "bus": 0, "devices": self.pci() }]),
            "qom-list" => self.list(&word("path")),
            "qom-get" => self.get(&word("path"), &word("property"))?,
            "object-add" => {
                let id = word("id");
                if self.memory.contains_key(&id) {
                    return Err(format!("attempt to add duplicate property '{id}'"));
                }
                self.memory.insert(id, arguments.clone());
                json!({})
            }
            "object-del" => {
                let id = word("id");
                if self.devices.values().any(|(_, memory)| *memory == id) {
                    return Err(format!("object '{id}' is in use, can not be deleted"));
                }
                self.memory.remove(&id).ok_or_else(|| format!("object '{id}' not found"))?;
                json!({})
            }
            "device_add" => {
                let slot = word("addr").trim_start_matches("0x").to_owned();
                let slot = u64::from_str_radix(&slot, 16).map_err(|error| error.to_string())?;
                self.devices.insert(word("id"), (slot, word("memdev")));
                json!({})
            }
            "device_del" => {
                let path = word("id");
                let id = path.rsplit('/').next().unwrap_or_default();
                if !self.devices.contains_key(id) {
                    return Err(format!("Device '{path}' not found"));
                }
                if self.ejects {
                    self.devices.remove(id);
                    events.push(json!({ "event": "DEVICE_DELETED", "data": { "path": "/machine/other" } }));
                    events.push(json!({ "event": "DEVICE_DELETED", "data": { "path": path } }));
                }
                json!({})
            }
            _ => json!({}),
        })
    }

    fn list(&self, path: &str) -> Value {
        let list = |all: Vec<(String, &str)>| {
            all.into_iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect()
        };
        match path {
            "/objects" => {
                let files = self.memory.keys().map(|id| (id.clone(), "child<memory-backend-file>"));
                list(files.chain([("pc.ram".to_owned(), "child<memory-backend-ram>")]).collect())
            }
            "/machine/peripheral" => {
                list(self.devices.keys().map(|id| (id.clone(), "child<ivshmem-plain>")).collect())
            }
            "/machine" => list(vec![("i440fx".to_owned(), "child<i440FX-pcihost>")]),
            "/machine/i440fx" => list(vec![("pci.0".to_owned(), "child<PCI>")]),
            "/machine/i440fx/pci.0" => list(vec![
                ("child[0]".to_owned(), "link<e1000>"),
                ("hotplug-handler".to_owned(), "link<hotplug-handler>"),
            ]),
            _ => json!([]),
        }
    }

    fn get(&self, path: &str, property: &str) -> Result<Value, String> {
        let last = path.rsplit('/').next().unwrap_or_default();
        let device = self.devices.get(last);
        Ok(match (path, property, device) {
            ("/machine", "type", _) => json!("pc-i440fx-7.2-machine"),
            (_, "hotplug-handler", _) => json!("/machine/unattached/device[18]"),
            (_, "child[0]", _) => json!("/machine/net"),
            (_, "parent_bus", _) => json!("/machine/i440fx/pci.0"),
            (_, "addr", Some((slot, _))) => json!(slot << 3),
            (_, "addr", None) => json!(0x1f << 3),
            (_, "memdev", Some((_, memory))) => json!(format!("/objects/{memory}")),
            _ => self.memory.get(last).ok_or_else(|| format!("Device '{path}' not found"))?[property].clone(),
        })
    }

    fn pci(&self) -> Vec<Value> {
        let device = |(id, (slot, memory)): (&String, &(u64, String))| {
            let size = &self.memory[memory]["size"];
            let regions =
                json!([{ "bar": 0, "size": 256, "address": -1 }, { "bar": 2, "size": size, "address": -1 }]);
            json!({ "bus": 0, "slot": slot, "qdev_id": id, "regions": regions, "id": { "vendor": 0x1af4, "device": 0x1110 } })
        };
        self.devices.iter().map(device).collect()
    }
}
