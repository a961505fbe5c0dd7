// Keeps in registers what an innermost loop loads and stores at the same places each time round. LLVM does so itself, but not
// where the loop also loads from elsewhere at addresses that only their ranges tell apart: for LLVM, all of a guest's memory is
// one object. The analysis that compares ranges is not part of its pipeline.

#include <llvm/Analysis/AliasAnalysis.h>
#include <llvm/Analysis/BasicAliasAnalysis.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolutionAliasAnalysis.h>
#include <llvm/Analysis/TypeBasedAliasAnalysis.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>

using namespace llvm;

namespace {

// Whether a function stores vectors: others gain little, and the analysis takes time.
bool
stores_vectors(Function &function)
{
    for (auto &instruction : instructions(function))
        if (auto *store = dyn_cast<StoreInst>(&instruction))
            if (store->getValueOperand()->getType()->isVectorTy())
                return true;
    return false;
}

} // namespace

// `module` and `machine` are an LLVMModuleRef and an LLVMTargetMachineRef.
extern "C" void
wayfarer_promote(void *module, void *machine)
{
    LoopAnalysisManager loops;
    FunctionAnalysisManager functions;
    CGSCCAnalysisManager components;
    ModuleAnalysisManager modules;
    PassBuilder builder(static_cast<TargetMachine *>(machine));
    functions.registerPass([] {
        AAManager aliases;
        aliases.registerFunctionAnalysis<BasicAA>();
        aliases.registerFunctionAnalysis<TypeBasedAA>();
        aliases.registerFunctionAnalysis<SCEVAA>();
        return aliases;
    });
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);

    FunctionPassManager passes;
    passes.addPass(createFunctionToLoopPassAdaptor(LICMPass(LICMOptions()), /*UseMemorySSA=*/true));
    for (auto &function : *static_cast<Module *>(module))
        if (!function.isDeclaration() && stores_vectors(function))
            passes.run(function, functions);
}
