//! A restricted unpickler: plain data, ordered dictionaries and tensors; nothing is ever called.
//!
//! A pickle is a program for a machine with a stack, a memo and two instructions that call what they
//! find by name. Here those know the handful of [`Global`]s and build their results themselves. Source:
//! Python, `Lib/pickletools.py`; the subset is that of protocols 2 to 4 which `torch.save` writes.

use std::collections::HashMap;
use std::fmt::Display;

use striate_tensor::{Error, Result, Shape};

use super::value::{Global, Id, Storage, Tensor, Value};
use crate::message::shown;

/// Pickles above this size are refused; a tensor takes about 150 bytes.
const LARGEST_PICKLE: usize = 64 << 20;
/// Most values, and most places on the stack and in the memo.
const MOST_VALUES: usize = 1 << 20;
/// Most tensors and references to storages: one costs the pickle a few bytes, and here some hundred.
const MOST_TENSORS: usize = 1 << 18;
/// Most items that calls copy; each call could copy the same list again.
const MOST_COPIES: usize = 1 << 20;
/// Most extents of a tensor.
const MOST_EXTENTS: usize = 16;
/// Bytes of a storage's key at most; PyTorch's are numbers.
const LONGEST_KEY: usize = 64;

/// What a pickle has built.
#[derive(Debug)]
pub(super) struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
    /// Bytes that it takes; others may follow.
    pub length: usize,
}

/// Reads the pickle at the beginning of `bytes`.
///
/// # Errors
/// If it is damaged or too large, or asks for something that is not known here.
pub(super) fn unpickle(bytes: &[u8]) -> Result<Pickle> {
    let within = &bytes[..bytes.len().min(LARGEST_PICKLE)];
    let machine = Machine { bytes: within, ..Machine::default() };
    machine.run()
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    tensors: usize,
    copies: usize,
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
                return Ok(Pickle { values: self.values, root, length: self.at });
            }
            self.step(opcode)?;
        }
    }

    /// One instruction; names as in `pickletools`.
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO, FRAME
            0x80 => match self.byte()? {
                2..=4 => Ok(()),
                other => Err(self.damaged(format!("protocol {other}; 2 to 4 are read"))),
            },
            0x95 => self.take(8).map(|_| ()),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' | b'K' | b'M' | 0x8a => self.integer(opcode),
            b'G' => {
                self.take(8)?;
                self.push(Value::Float)
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' | 0x8c | 0x8d => self.text(opcode),
            // BINSTRING, SHORT_BINSTRING: text of Python 2
            b'T' | b'U' => self.text(opcode),
            // BINBYTES, SHORT_BINBYTES
            b'B' | b'C' => {
                self.run_of_bytes(opcode)?;
                self.push(Value::Bytes)
            }
            // EMPTY_LIST, EMPTY_TUPLE, EMPTY_DICT, MARK
            b']' => self.push(Value::List(vec![])),
            b')' => self.push(Value::Tuple(vec![])),
            b'}' => self.push(Value::Dict(vec![])),
            b'(' => self.mark(),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' | 0x85..=0x87 => self.tuple(opcode),
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' | b'e' => self.append(opcode == b'e'),
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
            // REDUCE, BUILD, BINPERSID
            b'R' => self.reduce(),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            other => Err(self.unknown(other)),
        }
    }

    fn unknown(&self, opcode: u8) -> Error {
        let name = match opcode {
            b'i' => "INST",
            b'o' => "OBJ",
            0x81 => "NEWOBJ",
            0x92 => "NEWOBJ_EX",
            0x82..=0x84 => "EXT",
            b'P' => "PERSID",
            0x8b => "LONG4",
            0x8e => "BINBYTES8",
            0x96..=0x98 => "of out-of-band buffers",
            0x8f..=0x91 => "of sets",
            b'I' | b'L' | b'F' | b'S' | b'V' | b'l' | b'd' | b'p' | b'g' => "of protocol 0",
            _ => return self.damaged(format!("no instruction {opcode:#04x}")),
        };
        self.damaged(format!("instruction {opcode:#04x} ({name}), which no file of tensors needs"))
    }

    fn integer(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'K' => i128::from(self.byte()?),
            b'M' => i128::from(u16::from_le_bytes(self.array()?)),
            b'J' => i128::from(i32::from_le_bytes(self.array()?)),
            _ => {
                let length = usize::from(self.byte()?);
                let bytes = self.take(length)?;
                if length > 16 {
                    return Err(self.damaged(format!("an integer of {length} bytes")));
                }
                let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
                let mut wide = [if negative { 0xff } else { 0 }; 16];
                wide[..length].copy_from_slice(bytes);
                i128::from_le_bytes(wide)
            }
        };
        self.push(Value::Integer(value))
    }

    fn text(&mut self, opcode: u8) -> Result<()> {
        let bytes = self.run_of_bytes(opcode)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        let text = text.map_err(|_| self.damaged("a text that is no UTF-8"))?;
        self.push(Value::Text(text))
    }

    /// The bytes behind a length, whose own size the opcode tells.
    fn run_of_bytes(&mut self, opcode: u8) -> Result<&[u8]> {
        let length = match opcode {
            0x8c | b'U' | b'C' => u64::from(self.byte()?),
            0x8d => u64::from_le_bytes(self.array()?),
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
        let list = self.peek()?;
        match &mut self.values[list as usize] {
            Value::List(list) => list.extend(items),
            _ => return Err(self.damaged("something is appended to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, many: bool) -> Result<()> {
        let items = if many { self.since_mark()? } else { self.top(2)? };
        let dict = self.peek()?;
        let (pairs, []) = items.as_chunks() else {
            return Err(self.damaged("a key without a value"));
        };
        match &mut self.values[dict as usize] {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(self.damaged("an item is set in what is no dictionary")),
        }
        Ok(())
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
            return Err(self.damaged("a name that is no text"));
        };
        let (module, name) = (module.clone(), name.clone());
        self.push_global(&module, &name)
    }

    fn push_global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = Global::find(module, name).ok_or_else(|| refused(module, name))?;
        self.push(Value::Global(global))
    }

    fn reduce(&mut self) -> Result<()> {
        let [function, arguments] = self.top(2)?[..] else { unreachable!("two are taken") };
        let (Value::Global(global), Value::Tuple(arguments)) = (&self[function], &self[arguments]) else {
            return Err(self.damaged("a call of what is no function"));
        };
        match global {
            Global::OrderedDict => {
                let pairs = match arguments[..] {
                    [] => vec![],
                    [list] => {
                        let pairs = self.pairs(list)?;
                        self.copies += pairs.len();
                        pairs
                    }
                    _ => return Err(self.damaged("an OrderedDict of several arguments")),
                };
                self.push(Value::Dict(pairs))
            }
            Global::RebuildTensor => {
                let tensor = self.tensor(arguments)?;
                self.count_tensor()?;
                self.push(Value::Tensor(Box::new(tensor)))
            }
            Global::RebuildParameter | Global::Size => {
                let Some(first) = arguments.first().copied() else {
                    return Err(self.damaged("a call without arguments"));
                };
                self.stack.push(first);
                Ok(())
            }
            Global::StorageType(_) => Err(self.damaged("a storage is made out of nothing")),
        }
    }

    /// Key and value of each item of a list of pairs.
    fn pairs(&self, list: Id) -> Result<Vec<(Id, Id)>> {
        let damaged = || self.damaged("an OrderedDict of what is no list of pairs");
        let Value::List(items) = &self[list] else { return Err(damaged()) };
        if self.copies + items.len() > MOST_COPIES {
            return Err(self.damaged("it copies its own lists without end"));
        }
        let pair = |item: &Id| match &self[*item] {
            Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err(damaged()),
        };
        items.iter().map(pair).collect()
    }

    /// The tensor of `(storage, offset, size, stride, …)`; what follows is of gradients.
    fn tensor(&self, arguments: &[Id]) -> Result<Tensor> {
        let [storage, offset, size, strides, ..] = arguments else {
            return Err(self.damaged("a tensor of too few arguments"));
        };
        let Value::Storage(storage) = &self[*storage] else {
            return Err(self.damaged("a tensor without a storage"));
        };
        let shape = Shape::new(self.extents(*size)?);
        let strides = self.extents(*strides)?;
        if shape.len() != strides.len() {
            return Err(self.damaged(format!("a tensor of shape {shape} with strides {strides:?}")));
        }
        Ok(Tensor { storage: (**storage).clone(), offset: self.count(*offset)?, shape, strides })
    }

    fn extents(&self, id: Id) -> Result<Vec<usize>> {
        match &self[id] {
            Value::Tuple(items) | Value::List(items) if items.len() <= MOST_EXTENTS => {
                items.iter().map(|item| self.count(*item)).collect()
            }
            Value::Tuple(items) | Value::List(items) => {
                Err(self.damaged(format!("a tensor of {} extents", items.len())))
            }
            _ => Err(self.damaged("extents that are no tuple")),
        }
    }

    /// A number of things, neither negative nor absurd.
    fn count(&self, id: Id) -> Result<usize> {
        match self[id] {
            Value::Integer(value) => usize::try_from(value)
                .ok()
                .filter(|count| *count <= isize::MAX as usize)
                .ok_or_else(|| self.damaged(format!("{value} as a size, offset or stride"))),
            _ => Err(self.damaged("a size, offset or stride that is no integer")),
        }
    }

    /// Attributes of a dictionary hold versions of modules and are dropped.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        let object = self.peek()?;
        match &self[object] {
            Value::Dict(_) | Value::Tensor(_) => Ok(()),
            _ => Err(self.damaged("attributes of what has none")),
        }
    }

    /// `("storage", class, key, device, elements)`; the legacy form adds `(key, offset, elements)` of a
    /// view, or none.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let damaged = || self.damaged("a reference to what is no storage");
        let Value::Tuple(parts) = &self[id] else { return Err(damaged()) };
        let [kind, class, key, device, len, ref view @ ..] = parts[..] else { return Err(damaged()) };
        let [Value::Text(kind), Value::Text(key), Value::Text(_)] = [&self[kind], &self[key], &self[device]]
        else {
            return Err(damaged());
        };
        let Value::Global(Global::StorageType(dtype)) = self[class] else { return Err(damaged()) };
        if kind != "storage" {
            return Err(damaged());
        }
        if key.len() > LONGEST_KEY {
            return Err(self.damaged(format!("a storage with a key of {} bytes", key.len())));
        }
        let whole = self.count(len)?;
        let (offset, len) = match view {
            [view] if !matches!(self[*view], Value::None) => self.view(*view, whole)?,
            _ => (0, whole),
        };
        let storage = Storage { key: key.clone(), dtype, offset, len, whole };
        self.count_tensor()?;
        self.push(Value::Storage(Box::new(storage)))
    }

    fn count_tensor(&mut self) -> Result<()> {
        self.tensors += 1;
        match self.tensors > MOST_TENSORS {
            true => Err(self.damaged(format!("more than {MOST_TENSORS} tensors and storages"))),
            false => Ok(()),
        }
    }

    /// Offset and elements of a view of a storage of `whole` elements.
    fn view(&self, id: Id, whole: usize) -> Result<(usize, usize)> {
        let Value::Tuple(parts) = &self[id] else { return Err(self.damaged("a view that is no tuple")) };
        let [_, offset, len] = parts[..] else { return Err(self.damaged("a view that is no triple")) };
        let (offset, len) = (self.count(offset)?, self.count(len)?);
        match offset.checked_add(len) {
            Some(end) if end <= whole => Ok((offset, len)),
            _ => Err(self.damaged(format!("a view of {len} elements at {offset} of {whole}"))),
        }
    }

    fn push(&mut self, value: Value) -> Result<()> {
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        let id = self.top(1)?;
        Ok(id[0])
    }

    fn peek(&self) -> Result<Id> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.last().filter(|_| self.stack.len() > bottom);
        top.copied().ok_or_else(|| self.damaged("its stack is empty"))
    }

    /// Takes the `count` topmost values above the last mark, lowest first.
    fn top(&mut self, count: usize) -> Result<Vec<Id>> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() - bottom < count {
            return Err(self.damaged("its stack is empty"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    /// Takes everything above the last mark, and the mark.
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
        Ok(self.take(N)?.try_into().expect("as many as asked for"))
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let begin = self.at;
        if self.bytes.len() - begin < count {
            return Err(self.damaged("it is cut off"));
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

    fn damaged(&self, what: impl Display) -> Error {
        Error::input(format!("its pickle is damaged at byte {} ({what})", self.at))
    }
}

impl std::ops::Index<Id> for Machine<'_> {
    type Output = Value;
    fn index(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }
}

/// A name that is not on the list.
fn refused(module: &str, name: &str) -> Error {
    let (module, name) = (shown(module), shown(name));
    Error::input(format!(
        "its pickle asks for {module}.{name}, which is refused: only tensors are read and no code is run; \
         save the weights alone, with torch.save(model.state_dict(), FILE)"
    ))
}
