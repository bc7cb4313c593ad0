/* For tests under Wine before 9 only, never shipped: Rust's standard library takes its randomness from this DLL, and such a Wine has
   none. It passes the question on to what Wine does have (RtlGenRandom, exported as SystemFunction036). */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
    const SIZE_T most = 1u << 20;
    for (SIZE_T done = 0; done < length; done += most) {
        SIZE_T part = length - done < most ? length - done : most;
        if (!SystemFunction036(buffer + done, (ULONG)part)) return FALSE;
    }
    return TRUE;
}
