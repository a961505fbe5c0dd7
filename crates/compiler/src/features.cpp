// The features of the processor that code for a target machine may use, implied ones too. LLVM's C interface does not
// tell.

#include <cstddef>
#include <cstring>

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/Target/TargetMachine.h>

// Calls `each` with every feature's name, not terminated, and `context`. `machine` is an LLVMTargetMachineRef.
extern "C" void
wayfarer_enabled_features(const void *machine, void *context,
                          void (*each)(void *context, const char *name, std::size_t len))
{
    const auto *subtarget = static_cast<const llvm::TargetMachine *>(machine)->getMCSubtargetInfo();
    for (const auto &feature : subtarget->getEnabledProcessorFeatures())
        each(context, feature.Key, std::strlen(feature.Key));
}
