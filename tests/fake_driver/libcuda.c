/* A stand-in for NVIDIA's driver that answers what a probe asks: `FAKE_CUDA_INIT` is the answer to cuInit, `FAKE_CUDA_VERSION`
 * that of the driver as it counts (1000 * major + 10 * minor), `FAKE_CUDA_DEVICES` the number of GPUs. Each is an H100. */

#include <stdlib.h>
#include <string.h>

enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_DEVICE = 101 };
/* CUdevice_attribute of cuda.h. */
enum { INTEGRATED = 18, COMPUTE_CAPABILITY_MAJOR = 75, COMPUTE_CAPABILITY_MINOR = 76 };

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned int flags) {
    (void)flags;
    return setting("FAKE_CUDA_INIT", CUDA_SUCCESS);
}

int cuDriverGetVersion(int *version) {
    *version = setting("FAKE_CUDA_VERSION", 13000);
    return CUDA_SUCCESS;
}

int cuDeviceGetCount(int *count) {
    *count = setting("FAKE_CUDA_DEVICES", 1);
    return CUDA_SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal < setting("FAKE_CUDA_DEVICES", 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    strncpy(name, "Fake H100", (size_t)length);
    return CUDA_SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == COMPUTE_CAPABILITY_MAJOR ? 9 : 0;
    return CUDA_SUCCESS;
}

int cuGetErrorName(int error, const char **name) {
    (void)error;
    *name = "CUDA_ERROR_FAKE";
    return CUDA_SUCCESS;
}

int cuGetErrorString(int error, const char **text) {
    (void)error;
    *text = "a fault of the fake driver";
    return CUDA_SUCCESS;
}

/* NVRTC asks for one, and skips what is too short: the first word of a table is its size. */
int cuGetExportTable(const void **table, const void *id) {
    static const size_t empty[] = {sizeof(size_t)};
    (void)id;
    *table = empty;
    return CUDA_SUCCESS;
}
