; A second object with landing pads: its reference to the personality function is one too many.

declare i32 @__gcc_personality_v0(...)
declare i32 @enter(i32, ptr, ptr, ptr)

define hidden i32 @enter_with_pad(i32 %depth, ptr %stop, ptr %pad, ptr %context) personality ptr @__gcc_personality_v0 {
  %result = invoke i32 @enter(i32 %depth, ptr %stop, ptr %pad, ptr %context) to label %returned unwind label %caught

returned:
  ret i32 %result

caught:
  %exception = landingpad { ptr, i32 } cleanup
  resume { ptr, i32 } %exception
}
