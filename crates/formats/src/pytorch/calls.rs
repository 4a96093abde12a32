//! The instructions that call by name: the results of known functions, and objects of unknown classes.

use striate_tensor::{Result, Shape};

use super::unpickler::Machine;
use super::value::{Global, Id, Object, Storage, Tensor, Value};
use crate::dtype::DType;

/// Limit of tensors and references to storages: each takes a few bytes in the pickle, but hundreds in memory.
const MOST_TENSORS: usize = 1 << 18;
/// Limit of items that calls copy; each call could copy the same list again.
const MOST_COPIES: usize = 1 << 20;
/// Limit of a tensor's number of extents.
const MOST_EXTENTS: usize = 16;
/// Limit of a storage's key in bytes; PyTorch's are numbers.
const LONGEST_KEY: usize = 64;

impl Machine<'_> {
    /// Calls a function with a tuple of arguments.
    pub fn reduce(&mut self) -> Result<()> {
        let [function, tuple] = self.top(2)?[..] else { unreachable!("two are taken") };
        let Value::Tuple(arguments) = &self[tuple] else {
            return Err(self.damaged("a call without a tuple of arguments"));
        };
        let global = match &self[function] {
            Value::Global(global) => *global,
            Value::Object(_) | Value::Opaque => Global::Unknown,
            _ => return Err(self.damaged("a call of a non-function")),
        };
        match global {
            Global::OrderedDict => {
                let pairs = match arguments[..] {
                    [] => vec![],
                    [list] => self.pairs(list)?,
                    _ => return Err(self.damaged("an OrderedDict with several arguments")),
                };
                self.copies += pairs.len();
                self.push(Value::Dict(pairs))
            }
            Global::Set => match arguments.first() {
                Some(list) if matches!(self[*list], Value::List(_)) => self.again(*list),
                _ => self.push(Value::List(vec![])),
            },
            Global::RebuildTensor => self.rebuild(tuple),
            Global::RebuildParameter | Global::Size => match arguments.first() {
                Some(first) => self.again(*first),
                None => Err(self.damaged("a call without arguments")),
            },
            Global::RebuildFromType => match arguments[..] {
                [function, _, arguments, ..]
                    if matches!(self[function], Value::Global(Global::RebuildTensor)) =>
                {
                    self.rebuild(arguments)
                }
                _ => self.push(object(tuple)),
            },
            Global::StorageType(_) | Global::Unknown => self.push(object(tuple)),
        }
    }

    fn again(&mut self, id: Id) -> Result<()> {
        self.push_again(id);
        Ok(())
    }

    /// Creates an object from the topmost `operands`: a class, its arguments, and keywords.
    pub fn new_object(&mut self, operands: usize) -> Result<()> {
        let taken = self.top(operands)?;
        let class = matches!(self[taken[0]], Value::Global(_) | Value::Object(_) | Value::Opaque);
        if !class || !matches!(self[taken[1]], Value::Tuple(_)) {
            return Err(self.damaged("an instance of a non-class"));
        }
        match self[taken[0]] {
            Value::Global(Global::OrderedDict) => self.push(Value::Dict(vec![])),
            Value::Global(Global::Set) => self.push(Value::List(vec![])),
            _ => self.push(object(taken[1])),
        }
    }

    /// Sets the attributes of the topmost object; those of dictionaries contain versions of modules and are dropped.
    pub fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let top = self.peek()?;
        match &mut self.values[top as usize] {
            Value::Object(object) => object.state = Some(state),
            Value::Dict(_) | Value::List(_) | Value::Tensor(_) | Value::Global(_) | Value::Opaque => {}
            _ => return Err(self.damaged("attributes set on a value without attributes")),
        }
        Ok(())
    }

    /// Key and value of each item of a list of pairs.
    fn pairs(&self, list: Id) -> Result<Vec<(Id, Id)>> {
        let damaged = || self.damaged("an OrderedDict not made from a list of pairs");
        let Value::List(items) = &self[list] else { return Err(damaged()) };
        if self.copies + items.len() > MOST_COPIES {
            return Err(self.damaged("it copies its own lists endlessly"));
        }
        let pair = |item: &Id| match &self[*item] {
            Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err(damaged()),
        };
        items.iter().map(pair).collect()
    }

    /// Pushes the tensor described by `(storage, offset, size, stride, …)`; further items concern gradients.
    fn rebuild(&mut self, arguments: Id) -> Result<()> {
        let Value::Tuple(arguments) = &self[arguments] else {
            return Err(self.damaged("a tensor without a tuple of arguments"));
        };
        let [storage, offset, size, strides, ..] = arguments[..] else {
            return Err(self.damaged("a tensor with too few arguments"));
        };
        let storage = match &self[storage] {
            Value::Storage(storage) if !matches!(storage.dtype, DType::Unsupported(_)) => storage,
            Value::Storage(_) | Value::Opaque => return self.push(Value::Opaque),
            _ => return Err(self.damaged("a tensor without a storage")),
        };
        let shape = Shape::new(self.extents(size)?);
        let strides = self.extents(strides)?;
        if shape.len() != strides.len() {
            return Err(self.damaged(format!("a tensor of shape {shape} with strides {strides:?}")));
        }
        let tensor = Tensor { storage: (**storage).clone(), offset: self.count(offset)?, shape, strides };
        self.count_tensor()?;
        self.push(Value::Tensor(Box::new(tensor)))
    }

    fn extents(&self, id: Id) -> Result<Vec<usize>> {
        match &self[id] {
            Value::Tuple(items) | Value::List(items) if items.len() <= MOST_EXTENTS => {
                items.iter().map(|item| self.count(*item)).collect()
            }
            Value::Tuple(items) | Value::List(items) => {
                Err(self.damaged(format!("a tensor of {} extents", items.len())))
            }
            _ => Err(self.damaged("extents that are not a tuple")),
        }
    }

    /// Returns a size, offset or stride, which must be in range.
    fn count(&self, id: Id) -> Result<usize> {
        match self[id] {
            Value::Integer(value) => usize::try_from(value)
                .ok()
                .filter(|count| *count <= isize::MAX as usize)
                .ok_or_else(|| self.damaged(format!("{value} as a size, offset or stride"))),
            _ => Err(self.damaged("a size, offset or stride that is not an integer")),
        }
    }

    /// Resolves `("storage", class, key, device, elements)`, where the legacy form adds `(key, offset, elements)`
    /// of a view or `None`; or, in the legacy form, `("module", class, file, source)`.
    pub fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let damaged = || self.damaged("a reference to a non-storage");
        let Value::Tuple(parts) = &self[id] else { return Err(damaged()) };
        if let [kind, class, ..] = parts[..]
            && matches!(&self[kind], Value::Text(kind) if kind == "module")
            && matches!(self[class], Value::Global(_))
        {
            return self.again(class);
        }
        let [kind, class, key, device, len, ref view @ ..] = parts[..] else { return Err(damaged()) };
        let [Value::Text(kind), Value::Text(key), Value::Text(_)] = [&self[kind], &self[key], &self[device]]
        else {
            return Err(damaged());
        };
        if kind != "storage" {
            return Err(damaged());
        }
        let dtype = match self[class] {
            Value::Global(Global::StorageType(dtype)) => dtype,
            Value::Global(_) => return self.push(Value::Opaque),
            _ => return Err(damaged()),
        };
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
        let Value::Tuple(parts) = &self[id] else { return Err(self.damaged("a view that is not a tuple")) };
        let [_, offset, len] = parts[..] else { return Err(self.damaged("a view that is not a triple")) };
        let (offset, len) = (self.count(offset)?, self.count(len)?);
        match offset.checked_add(len) {
            Some(end) if end <= whole => Ok((offset, len)),
            _ => Err(self.damaged(format!("a view of {len} elements at {offset} of {whole}"))),
        }
    }
}

fn object(arguments: Id) -> Value {
    Value::Object(Object { arguments, state: None, items: None })
}
