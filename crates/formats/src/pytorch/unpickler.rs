//! A restricted unpickler: plain data, ordered dictionaries and tensors; nothing is ever executed.
//!
//! A pickle is a program for a machine with a stack, a memo and a few instructions that call functions by
//! name. Here, the results of a few known functions are built directly ([`super::calls`]); every other
//! class or function becomes an opaque object that keeps its arguments. Source: Python,
//! `Lib/pickletools.py`; the subset is that of protocols 2 to 5 which `torch.save` writes.

use std::collections::HashMap;
use std::fmt::Display;

use striate_tensor::{Error, Result};

use super::value::{Global, Id, Value};
use crate::message::shown;

/// Larger pickles are refused; a tensor takes about 150 bytes.
const LARGEST_PICKLE: usize = 64 << 20;
/// Limit of values, and of entries on the stack and in the memo.
const MOST_VALUES: usize = 1 << 20;
/// Largest number of names of unknown classes and functions that are kept.
const MOST_NAMES: usize = 8;
/// Packages whose classes occur in ordinary checkpoints.
const ORDINARY: [&str; 8] =
    ["torch", "torchvision", "numpy", "collections", "argparse", "_codecs", "copyreg", "copy_reg"];

/// The result of a pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
    /// The length of the pickle in bytes; others may follow.
    pub length: usize,
    /// The first few unknown classes and functions, except those of common packages; they were not executed.
    pub unknown: Vec<String>,
}

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// If it is damaged or too large.
pub(super) fn unpickle(bytes: &[u8]) -> Result<Pickle> {
    let within = &bytes[..bytes.len().min(LARGEST_PICKLE)];
    let machine = Machine { bytes: within, ..Machine::default() };
    machine.run()
}

#[derive(Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    pub values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    unknown: Vec<String>,
    /// Number of tensors and storages so far.
    pub tensors: usize,
    /// Number of items copied by calls so far.
    pub copies: usize,
}

impl Machine<'_> {
    fn run(mut self) -> Result<Pickle> {
        loop {
            if self.values.len().max(self.stack.len()).max(self.memo.len()) > MOST_VALUES {
                return Err(self.damaged(format!("more than {MOST_VALUES} objects")));
            }
            let opcode = self.byte()?;
            if opcode == b'.' {
                let root = self.pop()?;
                let Machine { values, at: length, unknown, .. } = self;
                return Ok(Pickle { values, root, length, unknown });
            }
            self.step(opcode)?;
        }
    }

    /// Executes one instruction; names are those of `pickletools`.
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO, FRAME
            0x80 => match self.byte()? {
                2..=5 => Ok(()),
                other => Err(self.damaged(format!("protocol {other}; 2 to 5 are supported"))),
            },
            0x95 => self.take(8).map(|_| ()),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1
            b'J' | b'K' | b'M' | 0x8a => self.integer(opcode),
            // BINFLOAT
            b'G' => {
                self.take(8)?;
                self.push(Value::Opaque)
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' | 0x8c | 0x8d => self.text(opcode),
            // BINSTRING, SHORT_BINSTRING: text of Python 2
            b'T' | b'U' => self.text(opcode),
            // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8, LONG4
            b'B' | b'C' | 0x8e | 0x96 | 0x8b => {
                self.run_of_bytes(opcode)?;
                self.push(Value::Opaque)
            }
            // EMPTY_LIST, EMPTY_SET, EMPTY_TUPLE, EMPTY_DICT, MARK
            b']' | 0x8f => self.push(Value::List(vec![])),
            b')' => self.push(Value::Tuple(vec![])),
            b'}' => self.push(Value::Dict(vec![])),
            b'(' => self.mark(),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3, FROZENSET
            b't' | 0x85..=0x87 => self.tuple(opcode),
            0x91 => {
                let items = self.since_mark()?;
                self.push(Value::List(items))
            }
            // APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS
            b'a' => self.append(false),
            b'e' | 0x90 => self.append(true),
            b's' | b'u' => self.set(opcode == b'u'),
            // POP, POP_MARK, DUP
            b'0' => self.pop().map(|_| ()),
            b'1' => self.since_mark().map(|_| ()),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top; 2]);
                Ok(())
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' | b'r' | 0x94 => self.put(opcode),
            b'h' | b'j' => self.get(opcode),
            // GLOBAL, STACK_GLOBAL
            b'c' => self.global(),
            0x93 => self.stack_global(),
            // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, BINPERSID
            b'R' => self.reduce(),
            0x81 => self.new_object(2),
            0x92 => self.new_object(3),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            other => Err(self.unsupported(other)),
        }
    }

    fn unsupported(&self, opcode: u8) -> Error {
        let name = match opcode {
            b'i' => "INST",
            b'o' => "OBJ",
            0x82..=0x84 => "EXT",
            b'P' => "PERSID",
            0x97 | 0x98 => "of out-of-band buffers",
            b'I' | b'L' | b'F' | b'S' | b'V' | b'l' | b'd' | b'p' | b'g' => "of protocol 0",
            _ => return self.damaged(format!("unknown instruction {opcode:#04x}")),
        };
        self.damaged(format!("instruction {opcode:#04x} ({name}), which torch.save does not write"))
    }

    fn integer(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'K' => i128::from(self.byte()?),
            b'M' => i128::from(u16::from_le_bytes(self.array()?)),
            b'J' => i128::from(i32::from_le_bytes(self.array()?)),
            _ => {
                let length = usize::from(self.byte()?);
                let bytes = self.take(length)?;
                // The states of random number generators contain such integers.
                if length > 16 {
                    return self.push(Value::Opaque);
                }
                let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
                let mut wide = [if negative { 0xff } else { 0 }; 16];
                wide[..length].copy_from_slice(bytes);
                i128::from_le_bytes(wide)
            }
        };
        self.push(Value::Integer(value))
    }

    /// Python 2 has text that is not UTF-8, and Python 3 has text with lone surrogates; names of tensors have neither.
    fn text(&mut self, opcode: u8) -> Result<()> {
        let bytes = self.run_of_bytes(opcode)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        self.push(text.map_or(Value::Opaque, Value::Text))
    }

    /// The bytes after a length, whose own size depends on the opcode.
    fn run_of_bytes(&mut self, opcode: u8) -> Result<&[u8]> {
        let length = match opcode {
            0x8c | b'U' | b'C' => u64::from(self.byte()?),
            0x8d | 0x8e | 0x96 => u64::from_le_bytes(self.array()?),
            _ => u64::from(u32::from_le_bytes(self.array()?)),
        };
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() == MOST_VALUES {
            return Err(self.damaged("too many marks"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn tuple(&mut self, opcode: u8) -> Result<()> {
        let items = match opcode {
            b't' => self.since_mark()?,
            _ => self.top(usize::from(opcode - 0x84))?,
        };
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, many: bool) -> Result<()> {
        let items = if many { self.since_mark()? } else { self.top(1)? };
        let list = self.items_of_top(|| Value::List(vec![]))?;
        match &mut self.values[list as usize] {
            Value::List(list) => list.extend(items),
            _ => return Err(self.damaged("an append to a non-list")),
        }
        Ok(())
    }

    fn set(&mut self, many: bool) -> Result<()> {
        let items = if many { self.since_mark()? } else { self.top(2)? };
        let dict = self.items_of_top(|| Value::Dict(vec![]))?;
        let (pairs, []) = items.as_chunks() else {
            return Err(self.damaged("a key without a value"));
        };
        match &mut self.values[dict as usize] {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(self.damaged("an item set in a non-dictionary")),
        }
        Ok(())
    }

    /// The topmost value; for an object, its items, which start as `empty`.
    fn items_of_top(&mut self, empty: impl FnOnce() -> Value) -> Result<Id> {
        let top = self.peek()?;
        let next = self.values.len() as Id;
        let Value::Object(object) = &mut self.values[top as usize] else { return Ok(top) };
        if let Some(items) = object.items {
            return Ok(items);
        }
        object.items = Some(next);
        self.values.push(empty());
        Ok(next)
    }

    fn put(&mut self, opcode: u8) -> Result<()> {
        let place = match opcode {
            b'q' => u32::from(self.byte()?),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        let top = self.peek()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn get(&mut self, opcode: u8) -> Result<()> {
        let place = if opcode == b'h' { u32::from(self.byte()?) } else { u32::from_le_bytes(self.array()?) };
        let Some(id) = self.memo.get(&place) else {
            return Err(self.damaged(format!("memo {place} is empty")));
        };
        self.stack.push(*id);
        Ok(())
    }

    fn global(&mut self) -> Result<()> {
        let [module, name] = [self.line()?, self.line()?];
        self.push_global(&module, &name)
    }

    fn stack_global(&mut self) -> Result<()> {
        let items = self.top(2)?;
        let [Value::Text(module), Value::Text(name)] = [&self[items[0]], &self[items[1]]] else {
            return Err(self.damaged("a global whose name is not text"));
        };
        let (module, name) = (module.clone(), name.clone());
        self.push_global(&module, &name)
    }

    fn push_global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = Global::find(module, name);
        let package = module.split('.').next().unwrap_or(module);
        if global == Global::Unknown && self.unknown.len() < MOST_NAMES && !ORDINARY.contains(&package) {
            let full = shown(&format!("{module}.{name}"));
            if !self.unknown.contains(&full) {
                self.unknown.push(full);
            }
        }
        self.push(Value::Global(global))
    }

    pub fn push(&mut self, value: Value) -> Result<()> {
        self.push_again(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    /// Pushes a value that exists.
    pub fn push_again(&mut self, id: Id) {
        self.stack.push(id);
    }

    pub fn pop(&mut self) -> Result<Id> {
        let id = self.top(1)?;
        Ok(id[0])
    }

    pub fn peek(&self) -> Result<Id> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.last().filter(|_| self.stack.len() > bottom);
        top.copied().ok_or_else(|| self.damaged("its stack is empty"))
    }

    /// Pops the `count` topmost values above the last mark, lowest first.
    pub fn top(&mut self, count: usize) -> Result<Vec<Id>> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() - bottom < count {
            return Err(self.damaged("its stack is empty"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    /// Pops everything above the last mark, and the mark.
    fn since_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.damaged("a mark is missing")),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("`take` returns N values"))
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let begin = self.at;
        if self.bytes.len() - begin < count {
            return Err(self.damaged("it is truncated"));
        }
        self.at += count;
        Ok(&self.bytes[begin..self.at])
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(1 << 10).position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| self.damaged("a name without an end"))?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.at += 1;
        Ok(line)
    }

    pub fn damaged(&self, what: impl Display) -> Error {
        Error::input(format!("its pickle is damaged at byte {} ({what}); copy or download it again", self.at))
    }
}

impl std::ops::Index<Id> for Machine<'_> {
    type Output = Value;
    fn index(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }
}

impl std::ops::Index<Id> for Pickle {
    type Output = Value;
    fn index(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }
}
