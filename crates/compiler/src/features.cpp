// What LLVM knows of processors and their features, which its C interface does not tell. All functions take an
// LLVMTargetMachineRef, and call `each` with names, which are not terminated, and `context`.

#include <cstddef>
#include <cstring>

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/Target/TargetMachine.h>

namespace {

using Each = void (*)(void *context, const char *name, std::size_t len);

const llvm::MCSubtargetInfo &
subtarget(const void *machine)
{
    return *static_cast<const llvm::TargetMachine *>(machine)->getMCSubtargetInfo();
}

} // namespace

// The features that the machine's code may use, implied ones too.
extern "C" void
wayfarer_enabled_features(const void *machine, void *context, Each each)
{
    for (const auto &feature : subtarget(machine).getEnabledProcessorFeatures())
        each(context, feature.Key, std::strlen(feature.Key));
}

// All features of the machine's architecture.
extern "C" void
wayfarer_known_features(const void *machine, void *context, Each each)
{
    for (const auto &feature : subtarget(machine).getAllProcessorFeatures())
        each(context, feature.Key, std::strlen(feature.Key));
}

// All processors of the machine's architecture.
extern "C" void
wayfarer_known_processors(const void *machine, void *context, Each each)
{
    for (const auto &processor : subtarget(machine).getAllProcessorDescriptions())
        each(context, processor.Key, std::strlen(processor.Key));
}
