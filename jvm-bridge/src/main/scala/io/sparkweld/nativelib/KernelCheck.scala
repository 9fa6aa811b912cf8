package io.sparkweld
package nativelib

import java.io.IOException
import java.nio.file.{Files, Paths}

import org.apache.spark.unsafe.Platform

/**
 * Links an object file and calls it once, without Spark: the last step of `python -m sparkweld doctor`.
 *
 * Arguments: LLVMLITE OBJECT-FILE SYMBOL IMPORT... The kernel reads one double column (0, 1, ... 99, no NULL) and stores one
 * double column. Prints this CPU's identifier, then the results, one hexadecimal float per line. A failure prints one line on the
 * standard error, with exit code 1.
 */
private[sparkweld] object KernelCheck {
  private val Rows = 100

  def main(arguments: Array[String]): Unit =
    arguments.toList match {
      case llvmlite :: file :: symbol :: imports =>
        try run(llvmlite, file, symbol, imports.toArray)
        catch {
          case e: NativeError => fail(e.getMessage)
          case e: IOException => fail(s"cannot read $file: $e")
        }
      case _ =>
        System.err.println("usage: KernelCheck LLVMLITE OBJECT-FILE SYMBOL IMPORT...")
        System.exit(2)
    }

  private def fail(message: String): Unit = {
    System.err.println(message)
    System.exit(1)
  }

  private def run(llvmlite: String, file: String, symbol: String, imports: Array[String]): Unit = {
    val runtime = NativeRuntime.get(Some(llvmlite), throw new NativeError(s"no llvmlite library at $llvmlite"))
    val kernel = runtime.link(Files.readAllBytes(Paths.get(file)), symbol, imports)
    val memory = Platform.allocateMemory(Rows * 18L)
    val (input, output) = (memory, memory + Rows * 8L)
    val (inputNulls, outputNulls) = (memory + Rows * 16L, memory + Rows * 17L)
    Platform.setMemory(memory, 0, Rows * 18L)
    for (row <- 0 until Rows) Platform.putDouble(null, input + row * 8L, row.toDouble)
    val result = new Array[Long](3)
    kernel.call(Array(input, inputNulls, output, outputNulls), Rows, result)
    if (result(0) != Rows || result(1) != 0 || result(2) != 0) {
      throw new NativeError(s"the kernel returned ${result.mkString(", ")} instead of $Rows, 0, 0 (rows, guarded, NULLs)")
    }
    println(runtime.cpu)
    for (row <- 0 until Rows) println(java.lang.Double.toHexString(Platform.getDouble(null, output + row * 8L)))
    Platform.freeMemory(memory)
    kernel.close()
  }
}
