//! Descriptors of cuDNN's graph API.

use std::ffi::{CStr, c_void};

use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type,
    cudnnBackendDescriptor_t as Handle, cudnnBackendDescriptorType_t as Kind, cudnnStatus_t as Status,
};
use striate_tensor::{Error, Result};

/// Turns a status into a result that says what failed.
pub(super) fn check(status: Status, what: &str) -> Result<()> {
    if status == Status::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut text = [0u8; 512];
    // SAFETY: the text has as many bytes; cuDNN ends it with a null byte.
    unsafe { sys::cudnnGetLastErrorString(text.as_mut_ptr().cast(), text.len()) };
    let message = CStr::from_bytes_until_nul(&text).map(CStr::to_string_lossy).unwrap_or_default();
    Err(Error::failed(format!("cuDNN: {what}: {status:?} {}", message.lines().next().unwrap_or_default())))
}

/// A type of the values of attributes.
pub(super) trait Attribute: Copy {
    const TYPE: Type;
}

impl Attribute for i64 {
    const TYPE: Type = Type::CUDNN_TYPE_INT64;
}
impl Attribute for f32 {
    const TYPE: Type = Type::CUDNN_TYPE_FLOAT;
}
impl Attribute for f64 {
    const TYPE: Type = Type::CUDNN_TYPE_DOUBLE;
}
impl Attribute for bool {
    const TYPE: Type = Type::CUDNN_TYPE_BOOLEAN;
}
impl Attribute for sys::cudnnNanPropagation_t {
    const TYPE: Type = Type::CUDNN_TYPE_NAN_PROPOGATION;
}
impl Attribute for sys::cudnnPointwiseMode_t {
    const TYPE: Type = Type::CUDNN_TYPE_POINTWISE_MODE;
}
impl Attribute for sys::cudnnDataType_t {
    const TYPE: Type = Type::CUDNN_TYPE_DATA_TYPE;
}
impl Attribute for sys::cudnnConvolutionMode_t {
    const TYPE: Type = Type::CUDNN_TYPE_CONVOLUTION_MODE;
}
impl Attribute for sys::cudnnBackendHeurMode_t {
    const TYPE: Type = Type::CUDNN_TYPE_HEUR_MODE;
}
impl Attribute for sys::cudnnHandle_t {
    const TYPE: Type = Type::CUDNN_TYPE_HANDLE;
}
/// Addresses in device memory.
impl Attribute for *mut c_void {
    const TYPE: Type = Type::CUDNN_TYPE_VOID_PTR;
}
/// Text in JSON, which ends with a null byte.
impl Attribute for u8 {
    const TYPE: Type = Type::CUDNN_TYPE_CHAR;
}
/// Properties of the numbers of an engine.
impl Attribute for u32 {
    const TYPE: Type = Type::CUDNN_TYPE_NUMERICAL_NOTE;
}

/// A descriptor, destroyed with its owner. Attributes are set in a chain that ends with [`Descriptor::finalize`].
pub(super) struct Descriptor(Handle);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor was created and is not used any more.
        unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

impl Descriptor {
    pub fn new(kind: Kind) -> Result<Descriptor> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the handle is valid for writes.
        check(unsafe { sys::cudnnBackendCreateDescriptor(kind, &raw mut handle) }, "a descriptor")?;
        Ok(Descriptor(handle))
    }

    pub fn handle(&self) -> Handle {
        self.0
    }

    pub fn set<T: Attribute>(self, name: Name, values: &[T]) -> Result<Descriptor> {
        self.set_raw(name, T::TYPE, values.len(), values.as_ptr().cast())
    }

    pub fn sizes(self, name: Name, values: impl IntoIterator<Item = usize>) -> Result<Descriptor> {
        let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
        self.set(name, &values)
    }

    pub fn descriptors(self, name: Name, others: &[&Descriptor]) -> Result<Descriptor> {
        let handles: Vec<Handle> = others.iter().map(|other| other.0).collect();
        self.set_raw(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, handles.len(), handles.as_ptr().cast())
    }

    fn set_raw(self, name: Name, kind: Type, count: usize, values: *const c_void) -> Result<Descriptor> {
        // SAFETY: there are as many values of this type.
        let status = unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, count as i64, values) };
        check(status, &format!("{name:?}"))?;
        Ok(self)
    }

    pub fn finalize(self) -> Result<Descriptor> {
        // SAFETY: the descriptor exists.
        check(unsafe { sys::cudnnBackendFinalize(self.0) }, "an incomplete or unsupported descriptor")?;
        Ok(self)
    }

    /// At most `most` values of an attribute.
    pub fn get<T: Attribute + Default>(&self, name: Name, most: usize) -> Result<Vec<T>> {
        let (mut count, mut values) = (0i64, vec![T::default(); most]);
        // SAFETY: there is room for as many values of this type.
        let status = unsafe {
            let values = values.as_mut_ptr().cast();
            sys::cudnnBackendGetAttribute(self.0, name, T::TYPE, most as i64, &raw mut count, values)
        };
        check(status, &format!("{name:?}"))?;
        values.truncate(count.clamp(0, most as i64) as usize);
        Ok(values)
    }

    /// The descriptors of a kind that an attribute consists of.
    pub fn get_descriptors(&self, name: Name, kind: Kind) -> Result<Vec<Descriptor>> {
        let mut count = 0i64;
        let get = |most: i64, handles: *mut c_void, count: &mut i64| {
            // SAFETY: there is room for as many handles.
            unsafe {
                let kind = Type::CUDNN_TYPE_BACKEND_DESCRIPTOR;
                sys::cudnnBackendGetAttribute(self.0, name, kind, most, count, handles)
            }
        };
        check(get(0, std::ptr::null_mut(), &mut count), &format!("{name:?}"))?;
        let all: Vec<Descriptor> = (0..count).map(|_| Descriptor::new(kind)).collect::<Result<_>>()?;
        let mut handles: Vec<Handle> = all.iter().map(Descriptor::handle).collect();
        check(get(count, handles.as_mut_ptr().cast(), &mut count), &format!("{name:?}"))?;
        Ok(all.into_iter().take(count.max(0) as usize).collect())
    }
}
